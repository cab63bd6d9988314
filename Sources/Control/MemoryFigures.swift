// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What a process's memory is made of, for `queue.debug_memory`.
package struct MemoryFigures: Hashable, Sendable {
    /// From the system.
    package var residentBytes = 0
    /// What the allocator has from the system, over all its arenas.
    package var heapBytes = 0
    /// Of that, what nobody uses now: a heap that stays large although little is in use.
    package var freeBytes = 0
    /// Mapped for single large allocations.
    package var mappedBytes = 0
    package var arenas = 0

    /// Of this process, now.
    package static func current() -> MemoryFigures {
        var figures = MemoryFigures(report: allocatorReport())
        figures.residentBytes = ResidentMemory.bytes() ?? 0
        return figures
    }

    package init() {}

    /// Reads glibc's own report, malloc_info(3): XML, the totals behind the last heap.
    init(report: String) {
        let lines = report.split(separator: "\n").map(String.init)
        arenas = lines.count { $0.hasPrefix("<heap ") }
        let totals = lines[(lines.lastIndex { $0.hasPrefix("</heap>") }.map { $0 + 1 } ?? 0)...]
        func size(_ element: String, _ type: String) -> Int {
            totals.filter { $0.hasPrefix("<\(element) type=\"\(type)\"") }.compactMap(Self.size).first ?? 0
        }
        heapBytes = size("system", "current")
        freeBytes = size("total", "fast") + size("total", "rest")
        mappedBytes = size("total", "mmap")
    }

    private static func size(_ line: String) -> Int? {
        guard let start = line.firstRange(of: " size=\"")?.upperBound else { return nil }
        return Int(line[start...].prefix { $0 != "\"" })
    }

    /// Empty where this isn't glibc's allocator.
    private static func allocatorReport() -> String {
        typealias Report = @convention(c) (Int32, UnsafeMutablePointer<FILE>?) -> Int32
        // Looked up by name: malloc.h isn't among the headers that Swift's Glibc has.
        guard let symbol = dlsym(nil, "malloc_info") else { return "" }
        // Unsafe: its signature is as malloc_info(3) has it since glibc 2.10.
        let report = unsafeBitCast(symbol, to: Report.self)
        var text: UnsafeMutablePointer<CChar>?
        var length = 0
        guard let stream = open_memstream(&text, &length) else { return "" }
        defer { free(text) }
        let status = report(0, stream)
        guard fclose(stream) == 0, status == 0, let text else { return "" }
        return String(cString: text)
    }
}
