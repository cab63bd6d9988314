// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Testing

@Suite struct FiguresTests {
    @Test(
        "Counts are grouped by thousands",
        arguments: [
            (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1000, "-1,000"),
            (Int64.min, "-9,223,372,036,854,775,808"),
        ] as [(Int64, String)]
    )
    func counts(number: Int64, text: String) { #expect(Figures.count(number) == text) }

    @Test(
        "Sizes have at most one decimal, and never 1024 of a unit",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (10 << 20, "10 MiB"),
            (48 << 20, "48 MiB"), ((1 << 20) - 1, "1 MiB"), (Int64.max, "8388608 TiB"),
        ] as [(Int64, String)]
    )
    func sizes(number: Int64, text: String) { #expect(Figures.bytes(number) == text) }

    @Test(
        "Rates are exact where they are small and grouped where they are large",
        arguments: [
            (0, "0"), (0.01, "<0.1"), (0.4, "0.4"), (12.5, "12.5"), (99.94, "99.9"), (99.96, "100"), (1240.4, "1,240"),
            (.infinity, "-"), (.nan, "-"), (1e300, "9,223,372,036,854,775,807"),
        ] as [(Double, String)]
    )
    func rates(number: Double, text: String) { #expect(Figures.rate(number) == text) }

    @Test(
        "Spans name their two largest units",
        arguments: [
            (-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 m"), (200, "3 m 20 s"), (7500, "2 h 5 m"),
            (86_400, "1 d"), (356_400, "4 d 3 h"),
        ] as [(Int64, String)]
    )
    func spans(seconds: Int64, text: String) { #expect(Figures.span(seconds: seconds) == text) }

    @Test("Moments are told as seen from now; what isn't RFC 3339 is told as it is")
    func moments() throws {
        let now = try #require(Figures.date("2026-11-25T10:00:00Z"))
        #expect(Figures.moment("2026-11-25T09:56:40Z", now: now) == "3 m 20 s ago")
        #expect(Figures.moment("2026-11-25T11:00:45+01:00", now: now) == "in 45 s")
        #expect(Figures.moment("2026-11-25T10:00:00.250Z", now: now) == "now")
        #expect(Figures.moment("yesterday", now: now) == "yesterday")
        #expect(Figures.upcoming("2026-11-25T09:59:00Z", now: now) == "now")
        #expect(Figures.upcoming("2026-11-25T10:01:00Z", now: now) == "in 1 m")
    }
}
