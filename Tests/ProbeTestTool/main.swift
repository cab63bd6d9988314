// SPDX-License-Identifier: Apache-2.0
import Probe

// Plays hostd's probe role for tests of modules that lie below hostd's main program: `ProbeTestTool PATH`.
Probe.run(path: CommandLine.arguments.last ?? "")
