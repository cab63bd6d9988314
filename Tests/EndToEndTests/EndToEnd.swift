// SPDX-License-Identifier: Apache-2.0
import Testing

/// All suites that start daemons, one test at a time: two of them at once would starve a machine of two cores.
@Suite(.serialized) enum EndToEnd {}
