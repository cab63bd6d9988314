// SPDX-License-Identifier: Apache-2.0

import PluginKit
import Twitter

/// The one symbol that hostd looks up in this file.
///
/// A target of its own: a test program holds several plugins, and only one such symbol.
@c(hostd_plugin_entry_v1)
public func entry() -> UnsafeRawPointer { PluginEntry.table(for: TwitterPlugin.self) }
