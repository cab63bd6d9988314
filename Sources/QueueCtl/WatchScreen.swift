// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc

/// The terminal while a picture is redrawn on it: no cursor, keys that aren't echoed, a screen of its own.
///
/// `end` puts all of it back, whatever ended the watching.
struct WatchScreen {
    /// nil where standard input is no terminal: then keys aren't read.
    private let settings: termios?

    /// nil where standard output is no terminal.
    static func begin() -> WatchScreen? {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        var settings = termios()
        let hasKeys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &settings) == 0
        if hasKeys {
            var watching = settings
            // Ctrl-C comes as a key too, so that nothing ends the program before the terminal is as it was.
            watching.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
            tcsetattr(STDIN_FILENO, TCSANOW, &watching)
        }
        // The alternate screen: what was there before comes back.
        try? Output.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[H\u{1B}[2J")
        return WatchScreen(settings: hasKeys ? settings : nil)
    }

    func clear() { try? Output.write("\u{1B}[2J") }

    func end() {
        try? Output.write("\u{1B}[?25h\u{1B}[?1049l")
        if var settings { tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings) }
    }
}

/// When a picture is drawn again, and when it is over.
enum WatchClock {
    enum Event: Sendable {
        case second
        case resized
        case quit
    }

    /// A second comes at once, and each second from then on; on a screen also its changes of size, and the end.
    static func events(isOnScreen: Bool) -> AsyncStream<Event> {
        // One of each is enough, and the end is the last: whoever is slow misses pictures, and nothing else.
        let (stream, events) = AsyncStream<Event>.makeStream(bufferingPolicy: .bufferingNewest(3))
        let queue = DispatchQueue(label: "queuectl.watch")
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: .seconds(1))
        timer.setEventHandler { events.yield(.second) }
        timer.activate()
        var sources: [any DispatchSourceProtocol] = [timer]
        if isOnScreen {
            for (number, event) in [(SIGWINCH, Event.resized), (SIGINT, .quit), (SIGTERM, .quit), (SIGHUP, .quit)] {
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
                source.setEventHandler { tell(event, to: events) }
                source.activate()
                sources.append(source)
            }
        }
        if isOnScreen, isatty(STDIN_FILENO) == 1 {
            let keys = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: queue)
            keys.setEventHandler { if isQuit(readKeys()) { tell(.quit, to: events) } }
            keys.activate()
            sources.append(keys)
        }
        let kept = Sources(all: sources)
        events.onTermination = { _ in kept.cancel() }
        return stream
    }

    private static func tell(_ event: Event, to events: AsyncStream<Event>.Continuation) {
        events.yield(event)
        if event == .quit { events.finish() }
    }

    /// `q`, Ctrl-C, Ctrl-D; nothing at all: the terminal is gone.
    static func isQuit(_ keys: [UInt8]) -> Bool {
        keys.isEmpty || keys.contains { [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4].contains($0) }
    }

    private static func readKeys() -> [UInt8] {
        var keys = [UInt8](repeating: 0, count: 64)
        let count = read(STDIN_FILENO, &keys, keys.count)
        return Array(keys.prefix(max(0, count)))
    }

    /// Sources hear nothing once they are let go of.
    private final class Sources: @unchecked Sendable {
        private let all: [any DispatchSourceProtocol]

        init(all: [any DispatchSourceProtocol]) { self.all = all }

        /// Called once, and a source may be cancelled on any thread.
        func cancel() { for source in all { source.cancel() } }
    }
}
