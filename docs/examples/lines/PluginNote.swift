// SPDX-License-Identifier: Apache-2.0
// Made by: scripts/plugin-note org.example.lines 1.0.0

import PluginKit

/// Who this plugin is, in the file itself: hostd reads it before it loads anything (`hostd_note` in hostd_plugin.h).
@section(".note.hostd") @used
let pluginNote: PluginNote = [
    // Sizes and type of an ELF note, "hostd", ABI major 1 built with minor 0, needs minor 0.
    6, 112, 1, 0x7473_6f68, 0x64, 0x0000_0001, 0,
    // The id.
    0x2e67726f, 0x6d617865, 0x2e656c70, 0x656e696c,
    0x00000073, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000,
    // The version.
    0x2e302e31, 0x00000030, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000,
]
