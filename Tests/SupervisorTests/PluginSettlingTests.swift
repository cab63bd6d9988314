// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct PluginSettlingTests {
    private static func files(_ sizes: [String: Int64]) -> PluginSettling.Fingerprint {
        .init(files: sizes.mapValues { .init(inode: 1, size: $0, modifiedNs: 0) })
    }

    private func ms(_ count: Int) -> Duration { .milliseconds(count) }

    /// Looks as often as it is asked to, up to `limit`; when it settled.
    private func settles(
        _ settling: inout PluginSettling,
        from start: Duration = .zero,
        within limit: Duration = .seconds(5),
        _ files: (Duration) -> PluginSettling.Fingerprint
    ) -> Duration? {
        var now = start
        while now <= limit {
            switch settling.next(at: now) {
            case .wait(until: nil), .settled: return nil
            case .wait(until: let time?): now = time
            case .look: if settling.looked(files(now), at: now) == .settled { return now }
            }
        }
        return nil
    }

    @Test("A file that was renamed to here is read half a second later, once")
    func renamed() {
        var settling = PluginSettling()
        #expect(settling.next(at: .zero) == .wait(until: nil))
        settling.happened(.completed("omb.so"), at: .zero)
        let when = settles(&settling) { _ in Self.files(["omb.so": 9]) }
        #expect(when == PluginSettling.quiet)
        #expect(settling.next(at: ms(600)) == .wait(until: nil))
    }

    @Test("Each event begins the wait anew")
    func noisy() {
        var settling = PluginSettling()
        for count in 0...20 { settling.happened(.completed("\(count).so"), at: ms(count * 200)) }
        let when = settles(&settling, from: ms(4000)) { _ in Self.files(["1.so": 1]) }
        #expect(when == ms(4500))
    }

    @Test("While a file is open for writing nothing is read, however long that takes")
    func halfWritten() {
        var settling = PluginSettling()
        settling.happened(.created("omb.so"), at: .zero)
        settling.happened(.written("omb.so"), at: .zero)
        var when = settles(&settling, within: .seconds(60)) { _ in Self.files(["omb.so": 100]) }
        #expect(when == nil)
        #expect(settling.writing == ["omb.so"])
        settling.happened(.completed("omb.so"), at: .seconds(60))
        when = settles(&settling, from: .seconds(60), within: .seconds(70)) { _ in Self.files(["omb.so": 200]) }
        #expect(when == .seconds(60) + PluginSettling.quiet)
    }

    @Test("A file that still changes is waited for, though its writer has closed it")
    func growing() {
        var settling = PluginSettling()
        settling.happened(.completed("omb.so"), at: .zero)
        // Until 2 s it grows, as a mapping of it is written to.
        let when = settles(&settling) {
            Self.files(["omb.so": min($0, .seconds(2)).components.attoseconds / 1_000_000])
        }
        #expect(when.map { $0 > .seconds(2) } == true)
    }

    @Test("A hard link is whole from the start; an empty new file isn't")
    func linked() {
        var linked = PluginSettling()
        linked.happened(.created("omb.so"), at: .zero)
        var when = settles(&linked) { _ in Self.files(["omb.so": 100]) }
        #expect(when == PluginSettling.quiet)
        var made = PluginSettling()
        made.happened(.created("omb.so"), at: .zero)
        when = settles(&made) { _ in Self.files(["omb.so": 0]) }
        #expect(when == nil)
    }

    @Test("A half-written file that goes away holds nothing up; one in another folder neither")
    func gone() {
        var settling = PluginSettling()
        settling.happened(.written("omb.so"), at: .zero)
        settling.happened(.gone("omb.so"), at: ms(10))
        var when = settles(&settling) { _ in Self.files([:]) }
        #expect(when != nil)
        settling.happened(.written("omb.so"), at: ms(1000))
        settling.happened(.restarted, at: ms(1010))
        when = settles(&settling, from: ms(1010)) { _ in Self.files([:]) }
        #expect(when != nil)
    }

    @Test(
        "What no loader looks at is nobody's business",
        arguments: [".omb.so.swp", ".omb.so", "omb.so.tmp", "README"]
    )
    func others(_ name: String) {
        var settling = PluginSettling()
        settling.happened(.created(name), at: .zero)
        settling.happened(.completed(name), at: .zero)
        #expect(settling.next(at: .seconds(1)) == .wait(until: nil))
    }
}
