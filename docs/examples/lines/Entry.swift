// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// The one symbol that hostd looks up in this file.
@c(hostd_plugin_entry_v1)
public func entry() -> UnsafeRawPointer { PluginEntry.table(for: LinesPlugin.self) }
