// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads one frame's command and header lines out of octets that may end anywhere.
///
/// Used by `StompFrameDecoder` alone. Offsets count from the frame's first octet; what was looked at once isn't again,
/// so that a client that sends octet by octet costs no more than one that doesn't. Lines are found with memchr, and
/// the octets are read through a raw pointer, because this loop is what bounds a producer's rate.
struct StompHeadScanner {
    /// What the octets so far amount to.
    enum Outcome {
        case incomplete
        /// The blank line was read; the body starts after `end`.
        case complete(Head)
        case failed(StompError)
    }

    struct Head {
        let command: StompCommand
        /// Where the header lines start and end (without the blank line), and where the body starts.
        let headers: Range<Int>
        let bodyStart: Int
        /// The octets of the body, if they are announced.
        let contentLength: Int?
    }

    /// Header lines so far; offsets count from the first header line.
    private(set) var fields: [StompFrame.Field] = []
    private var command: StompCommand?
    private var headersStart = 0
    private var lineStart = 0
    private var scanned = 0

    mutating func scan(_ bytes: UnsafeRawBufferPointer, version: StompVersion, limits: StompLimits) -> Outcome {
        guard let base = bytes.baseAddress else { return .incomplete }
        while let found = memchr(base + scanned, 0x0A, bytes.count - scanned) {
            let lineEnd = UnsafeRawPointer(found) - base
            // CRLF ends a line from 1.2 on; before, a value that ends in CR is far less likely than a client's CRLF.
            let end = lineEnd > lineStart && bytes[lineEnd - 1] == 0x0D ? lineEnd - 1 : lineEnd
            let line = UnsafeRawBufferPointer(rebasing: bytes[lineStart..<end])
            if let command {
                if line.isEmpty {
                    return finish(command, bytes, headersEnd: lineStart, bodyStart: lineEnd + 1, version)
                }
                if let error = add(line, limits) { return .failed(error) }
                if lineEnd + 1 - headersStart > limits.headerBlock {
                    return .failed(.headerBlockTooLong(limit: limits.headerBlock))
                }
            } else {
                guard let command = StompCommand(bytes: line) else { return .failed(.unknownCommand(Self.text(line))) }
                self.command = command
                headersStart = lineEnd + 1
                fields.reserveCapacity(8)
            }
            lineStart = lineEnd + 1
            scanned = lineStart
        }
        return unfinished(bytes, base, limits)
    }

    /// Checks what bounds the octets after the last line end; one octet more may be the CR of a line end to come.
    private mutating func unfinished(
        _ bytes: UnsafeRawBufferPointer,
        _ base: UnsafeRawPointer,
        _ limits: StompLimits
    ) -> Outcome {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[lineStart...])
        let hasNul = memchr(base + scanned, 0, bytes.count - scanned) != nil
        scanned = bytes.count
        if command == nil {
            let isGarbage = hasNul || rest.count > StompCommand.longestLine
            return isGarbage ? .failed(.unknownCommand(Self.text(rest))) : .incomplete
        }
        if hasNul { return .failed(.nulInHeaders) }
        if rest.count > limits.headerLine + 1 { return .failed(.headerLineTooLong(limit: limits.headerLine)) }
        if bytes.count - headersStart > limits.headerBlock + 1 {
            return .failed(.headerBlockTooLong(limit: limits.headerBlock))
        }
        return .incomplete
    }

    private mutating func add(_ line: UnsafeRawBufferPointer, _ limits: StompLimits) -> StompError? {
        guard line.count <= limits.headerLine else { return .headerLineTooLong(limit: limits.headerLine) }
        guard fields.count < limits.headers else { return .tooManyHeaders(limit: limits.headers) }
        guard let base = line.baseAddress, let found = memchr(base, 0x3A, line.count) else {
            return line.contains(0) ? .nulInHeaders : .headerWithoutColon(Self.text(line))
        }
        let nameLength = UnsafeRawPointer(found) - base
        guard nameLength > 0 else { return .emptyHeaderName }
        let start = lineStart - headersStart
        fields.append(
            StompFrame.Field(
                name: UInt32(start),
                value: UInt32(start + nameLength + 1),
                nameLength: UInt16(nameLength),
                valueLength: UInt16(line.count - nameLength - 1)
            )
        )
        return nil
    }

    private mutating func finish(
        _ command: StompCommand,
        _ bytes: UnsafeRawBufferPointer,
        headersEnd: Int,
        bodyStart: Int,
        _ version: StompVersion
    ) -> Outcome {
        let headers = UnsafeRawBufferPointer(rebasing: bytes[headersStart..<headersEnd])
        if let base = headers.baseAddress, memchr(base, 0, headers.count) != nil { return .failed(.nulInHeaders) }
        // Who names no version speaks 1.0, whose clients may write "name: value".
        let isHandshake = command.isHandshake
        let is1_0 = isHandshake ? first(.acceptVersion, headers) == nil : version == .v1_0
        if is1_0 {
            trimValues(headers)
        } else if !isHandshake, let error = markEscapes(headers, version) {
            return .failed(error)
        }
        var length: Int?
        if let field = first(.contentLength, headers) {
            let digits = value(field, headers)
            // 1.0 clients acknowledge with all headers of the MESSAGE, its content-length too, and no body.
            if command.allowsBody || !is1_0 {
                guard let number = StompFrame.integer(digits) else {
                    return .failed(.badContentLength(Self.text(digits)))
                }
                length = number
            }
        }
        return .complete(
            Head(command: command, headers: headersStart..<headersEnd, bodyStart: bodyStart, contentLength: length)
        )
    }

    private mutating func trimValues(_ headers: UnsafeRawBufferPointer) {
        for index in fields.indices {
            while fields[index].valueLength > 0, headers[Int(fields[index].value)] == 0x20 {
                fields[index].value += 1
                fields[index].valueLength -= 1
            }
        }
    }

    private mutating func markEscapes(_ headers: UnsafeRawBufferPointer, _ version: StompVersion) -> StompError? {
        guard let base = headers.baseAddress, memchr(base, Int32(StompEscapes.backslash), headers.count) != nil else {
            return nil
        }
        for index in fields.indices {
            let field = fields[index]
            let name = UnsafeRawBufferPointer(rebasing: headers[Int(field.name)...].prefix(Int(field.nameLength)))
            let value = value(field, headers)
            guard StompEscapes.areValid(name, in: version), StompEscapes.areValid(value, in: version) else {
                return .badEscape(Self.text(name) + ":" + Self.text(value), version: version)
            }
            fields[index].isNameEscaped = name.contains(StompEscapes.backslash)
            fields[index].isValueEscaped = value.contains(StompEscapes.backslash)
        }
        return nil
    }

    private func first(_ name: StompHeaderName, _ headers: UnsafeRawBufferPointer) -> StompFrame.Field? {
        name.withBytes { name in
            guard let wanted = name.baseAddress, let base = headers.baseAddress else { return nil }
            return fields.first { field in
                Int(field.nameLength) == name.count && memcmp(base + Int(field.name), wanted, name.count) == 0
            }
        }
    }

    private func value(_ field: StompFrame.Field, _ headers: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: headers[Int(field.value)...].prefix(Int(field.valueLength)))
    }

    /// The start of what a peer sent, for an error's text.
    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix(200), as: UTF8.self)
    }
}
