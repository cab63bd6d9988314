// SPDX-License-Identifier: Apache-2.0
// Made by: scripts/plugin-note org.hostd.twitter 0.1.0

import PluginKit

/// Who this plugin is, in the file itself: hostd reads it before it loads anything (`hostd_note` in hostd_plugin.h).
@section(".note.hostd") @used
let pluginNote: PluginNote = [
    // Sizes and type of an ELF note, "hostd", ABI major 1 built with minor 0, needs minor 0.
    6, 112, 1, 0x7473_6f68, 0x64, 0x0000_0001, 0,
    // The id.
    0x2e67726f, 0x74736f68, 0x77742e64, 0x65747469,
    0x00000072, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000,
    // The version.
    0x2e312e30, 0x00000030, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000,
]
