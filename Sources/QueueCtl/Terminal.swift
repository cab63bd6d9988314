// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Colours by meaning, so that a view names what it says and not how it looks.
enum Ink: String {
    case good = "32"
    case bad = "31"
    case warning = "33"
    case dim = "2"
    case bold = "1"
}

/// Where output goes, and what can be done there.
///
/// Escape sequences and cuts are for people in front of a terminal; a pipe or a file gets plain, whole text.
struct Terminal {
    let isInteractive: Bool
    /// nil: no limit.
    let columns: Int?
    /// nil: no limit.
    var rows: Int?
    let hasColour: Bool

    static let plain = Terminal(isInteractive: false, columns: nil, hasColour: false)

    static func standardOutput() -> Terminal {
        guard isatty(STDOUT_FILENO) == 1 else { return .plain }
        var size = winsize()
        let isSized = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        // https://no-color.org: set and not empty.
        let noColour = environment("NO_COLOR").map { !$0.isEmpty } ?? false
        return Terminal(
            isInteractive: true,
            columns: isSized ? Int(size.ws_col) : nil,
            rows: isSized && size.ws_row > 1 ? Int(size.ws_row) : nil,
            hasColour: !noColour && environment("TERM") != "dumb"
        )
    }

    func paint(_ text: String, _ ink: Ink?) -> String {
        guard hasColour, let ink else { return text }
        return "\u{1B}[\(ink.rawValue)m\(text)\u{1B}[0m"
    }

    /// The whole screen over what was there, without flicker: home, each line over the old one, then clear what is left.
    ///
    /// Lines for which there is no room are counted: scrolled away, they would leave a torn picture.
    func screen(_ text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        if let rows, lines.count > rows - 1 {
            let more = lines.count - (rows - 2)
            lines = lines.prefix(max(0, rows - 2)) + ["… \(more) more lines"]
        }
        return "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }

    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}

/// The reader of our output went away (`queuectl dead list | head`): not a failure, but no reason to go on.
struct OutputClosed: Error {}

/// Standard output and standard error, whole writes.
///
/// `print` would go on for ever after the reader went away.
enum Output {
    static func write(_ text: String) throws {
        try write(text, to: STDOUT_FILENO)
    }

    static func line(_ text: String) throws {
        try write(text + "\n")
    }

    /// One line on standard error; there is nobody to tell where that fails.
    static func complain(_ text: String) {
        try? write(text + "\n", to: STDERR_FILENO)
    }

    static func write(_ text: String, to descriptor: Int32) throws {
        var text = text
        try text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let chunk = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[rest.indices])
                let count = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EPIPE {
                    throw OutputClosed()
                } else if errno != EINTR {
                    throw QueueCtlError.output(String(cString: strerror(errno)))
                }
            }
        }
    }
}
