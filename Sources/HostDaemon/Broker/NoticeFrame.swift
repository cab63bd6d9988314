// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore

/// How a notice is called: its number on its site, and its URI.
struct NoticeIdentity: Sendable {
    var number: String
    var uri: String

    /// nil where the frame is no JSON object with a URI.
    init?(_ frame: [UInt8]) {
        guard let object = NoticeFrame.object(frame), let identity = NoticeFrame.identity(object) else { return nil }
        self = identity
    }

    init(number: String, uri: String) {
        self.number = number
        self.uri = uri
    }
}

/// What a frame of the queue `notice` asks for.
enum NoticeFrame: Sendable {
    case distribute(NoticeIdentity)
    case delete(uri: String)
    /// A sentence that names what is wrong.
    case bad(String)

    init(_ frame: [UInt8]) {
        guard let object = Self.object(frame) else {
            self = .bad("the frame isn't a JSON object")
            return
        }
        if let uri = object["delete"] {
            guard let uri = uri as? String, !uri.isEmpty else {
                self = .bad("\"delete\" must be the notice's URI, as a string")
                return
            }
            self = .delete(uri: uri)
            return
        }
        guard let identity = Self.identity(object) else {
            self = .bad("the notice lacks \"uri\" (or, in the ActivityStreams form, the object's \"id\")")
            return
        }
        let isActivity = object["type"] as? String == "Create"
        let note = isActivity ? object["object"] as? [String: Any] ?? [:] : object
        guard note["content"] is String else {
            self = .bad("the notice lacks \"content\"")
            return
        }
        let hasAuthor =
            isActivity
            ? object["actor"] != nil || note["attributedTo"] != nil
            : (object["author"] as? [String: Any])?["uri"] is String
        guard hasAuthor else {
            self = .bad("the notice lacks \"author\" with a \"uri\" (or, in the ActivityStreams form, \"actor\")")
            return
        }
        self = .distribute(identity)
    }

    static func object(_ frame: [UInt8]) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(frame))) as? [String: Any]
    }

    static func identity(_ object: [String: Any]) -> NoticeIdentity? {
        if object["type"] as? String == "Create", let note = object["object"] as? [String: Any] {
            guard let uri = note["id"] as? String, !uri.isEmpty else { return nil }
            return NoticeIdentity(number: uri.split(separator: "/").last.map(String.init) ?? uri, uri: uri)
        }
        guard let uri = object["uri"] as? String, !uri.isEmpty else { return nil }
        let number: String
        switch object["id"] {
        case let text as String: number = text
        case let value as NSNumber: number = value.stringValue
        default: number = uri
        }
        return NoticeIdentity(number: number, uri: uri)
    }
}
