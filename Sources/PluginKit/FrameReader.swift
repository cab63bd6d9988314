// SPDX-License-Identifier: Apache-2.0

/// A frame that can't be understood, in a sentence that names the member.
public struct FrameError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One sentence, good as a dead letter's text.
    public let description: String

    /// An error with this sentence.
    public init(_ description: String) { self.description = description }
}

/// Reads the members of one object of a frame.
///
/// `null` counts as absent.
struct FrameReader {
    private let object: JSON
    /// The way to this object, as `author.`; empty for the frame itself.
    private let path: String

    init(_ frame: JSON) throws(FrameError) {
        guard case .object = frame else { throw FrameError("the frame is \(frame.kind), an object is expected") }
        self.init(frame, path: "")
    }

    private init(_ object: JSON, path: String) {
        self.object = object
        self.path = path
    }

    static func parse(_ bytes: [UInt8], maxBytes: Int) throws(FrameError) -> JSON {
        guard bytes.count <= maxBytes else {
            throw FrameError("the frame is \(bytes.count) bytes long, at most \(maxBytes) are allowed")
        }
        do { return try JSON(parsing: bytes) } catch { throw FrameError(error.description) }
    }

    func error(_ name: String, _ problem: String) -> FrameError { FrameError("member \"\(path)\(name)\": \(problem)") }

    func member(_ name: String) -> JSON? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    func string(_ name: String) throws(FrameError) -> String? {
        guard let value = member(name) else { return nil }
        guard let text = value.string else { throw error(name, "expected a text, found \(value.kind)") }
        return text
    }

    func requiredString(_ name: String) throws(FrameError) -> String {
        guard let text = try string(name) else { throw error(name, "is missing") }
        guard !text.isEmpty else { throw error(name, "is empty") }
        return text
    }

    func int(_ name: String) throws(FrameError) -> Int? {
        guard let value = member(name) else { return nil }
        guard let number = value.int else { throw error(name, "expected a whole number, found \(value.kind)") }
        return number
    }

    func double(_ name: String) throws(FrameError) -> Double? {
        guard let value = member(name) else { return nil }
        guard let number = value.double else { throw error(name, "expected a number, found \(value.kind)") }
        return number
    }

    func strings(_ name: String) throws(FrameError) -> [String] {
        guard let value = member(name) else { return [] }
        guard let elements = value.array else { throw error(name, "expected a list, found \(value.kind)") }
        var texts: [String] = []
        for element in elements {
            guard let text = element.string else {
                throw error(name, "expected a list of texts, found \(element.kind) in it")
            }
            texts.append(text)
        }
        return texts
    }

    func object(_ name: String) throws(FrameError) -> FrameReader? {
        guard let value = member(name) else { return nil }
        guard case .object = value else { throw error(name, "expected an object, found \(value.kind)") }
        return FrameReader(value, path: "\(path)\(name).")
    }

    func requiredObject(_ name: String) throws(FrameError) -> FrameReader {
        guard let reader = try object(name) else { throw error(name, "is missing") }
        return reader
    }
}
