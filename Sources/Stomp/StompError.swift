// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a peer's frames, or why a connection to a broker failed.
///
/// `message` is the short text of an ERROR frame's header, `detail` the sentence in its body; neither holds a secret.
package enum StompError: Error, Equatable, Sendable {
    // Frames: after any of these the place of the next frame is unknown, so the connection ends.
    case unknownCommand(String)
    case headerLineTooLong(limit: Int)
    case headerBlockTooLong(limit: Int)
    case tooManyHeaders(limit: Int)
    case headerWithoutColon(String)
    case emptyHeaderName
    case badEscape(String, version: StompVersion)
    case nulInHeaders
    case badContentLength(String)
    case noNulAfterBody(contentLength: Int)
    case bodyTooLarge(limit: Int)
    case bodyNotAllowed(StompCommand)

    // The session: STOMP ends the connection after any ERROR.
    case notConnected(StompCommand)
    case alreadyConnected
    case afterDisconnect(StompCommand)
    case serverCommand(StompCommand)
    case unsupportedVersion(offered: String)
    case commandNeedsVersion(StompCommand, StompVersion)
    case accessRefused
    case missingHeader(name: String, command: StompCommand)
    case badHeader(name: String, found: String, wanted: String)
    case duplicateSubscription(String)
    case unknownSubscription(String)
    case unknownDelivery(header: String, found: String)
    case duplicateTransaction(String)
    case unknownTransaction(String)
    case tooMany(String, limit: Int)
    /// The broker's own reason, such as a full disk.
    case refused(message: String, detail: String)

    // The client's side.
    case unreachable(address: String, reason: String)
    case refusedByServer(message: String, detail: String)
    case connectionClosed
    case noAnswer(seconds: Int)
    case unexpectedFrame(StompCommand)
}

extension StompError {
    /// One line for the `message` header.
    package var message: String {
        switch self {
        case .unknownCommand: "unknown command"
        case .headerLineTooLong: "header line too long"
        case .headerBlockTooLong: "headers too long"
        case .tooManyHeaders: "too many headers"
        case .headerWithoutColon: "header without a colon"
        case .emptyHeaderName: "header without a name"
        case .badEscape: "undefined escape"
        case .nulInHeaders: "NUL within the headers"
        case .badContentLength: "bad content-length"
        case .noNulAfterBody: "no NUL after the body"
        case .bodyTooLarge: "body too large"
        case .bodyNotAllowed: "body not allowed"
        case .notConnected: "not connected"
        case .alreadyConnected: "already connected"
        case .afterDisconnect: "frame after DISCONNECT"
        case .serverCommand: "a server's command"
        case .unsupportedVersion: "unsupported version"
        case .commandNeedsVersion: "command of a later version"
        case .accessRefused: "access refused"
        case .missingHeader: "missing header"
        case .badHeader: "bad header"
        case .duplicateSubscription: "duplicate subscription"
        case .unknownSubscription: "unknown subscription"
        case .unknownDelivery: "unknown message"
        case .duplicateTransaction: "transaction already begun"
        case .unknownTransaction: "unknown transaction"
        case .tooMany: "limit reached"
        case .refused(let message, _), .refusedByServer(let message, _): message
        case .unreachable: "unreachable"
        case .connectionClosed: "connection closed"
        case .noAnswer: "no answer"
        case .unexpectedFrame: "unexpected frame"
        }
    }

    /// One or two sentences: what was found, what is wanted.
    package var detail: String {
        switch self {
        case .unknownCommand(let found):
            "The frame starts with \(Self.quoted(found)), which is no STOMP command. Is this a STOMP client?"
        case .headerLineTooLong(let limit): "A header line may have at most \(limit) octets."
        case .headerBlockTooLong(let limit): "All headers of a frame together may have at most \(limit) octets."
        case .tooManyHeaders(let limit): "A frame may have at most \(limit) headers."
        case .headerWithoutColon(let found): "The header line \(Self.quoted(found)) has no colon; wanted name:value."
        case .emptyHeaderName: "A header line starts with its colon; a name is wanted before it."
        case .badEscape(let found, let version):
            "The header line \(Self.quoted(found)) has a backslash with no meaning in STOMP \(version); "
                + "write \\\\ for a backslash."
        case .nulInHeaders: "The frame ends within its headers; a blank line is wanted before the NUL."
        case .badContentLength(let found): "content-length is \(Self.quoted(found)); a number of octets is wanted."
        case .noNulAfterBody(let length): "No NUL follows after the \(length) octets that content-length announced."
        case .bodyTooLarge(let limit): "A body may have at most \(limit) octets."
        case .bodyNotAllowed(let command): "\(command.rawValue) has no body; a NUL is wanted after its blank line."
        case .notConnected(let command): "\(command.rawValue) came before CONNECT."
        case .alreadyConnected: "CONNECT came twice on one connection."
        case .afterDisconnect(let command): "\(command.rawValue) came after DISCONNECT."
        case .serverCommand(let command): "\(command.rawValue) is sent by servers only."
        case .unsupportedVersion(let offered):
            "accept-version is \(Self.quoted(offered)); supported are \(StompVersion.supported)."
        case .commandNeedsVersion(let command, let version):
            "\(command.rawValue) needs STOMP \(version); send accept-version with CONNECT."
        case .accessRefused: "login and passcode are not those of this broker."
        case .missingHeader(let name, let command): "\(command.rawValue) needs the header \(name)."
        case .badHeader(let name, let found, let wanted): "\(name) is \(Self.quoted(found)); wanted \(wanted)."
        case .duplicateSubscription(let id):
            "This connection has the subscription \(Self.quoted(id)) already; unsubscribe it or use another id."
        case .unknownSubscription(let id): "This connection has no subscription \(Self.quoted(id))."
        case .unknownDelivery(let header, let found):
            "No unacknowledged message of this connection has the \(header) \(Self.quoted(found)); "
                + "was it acknowledged before?"
        case .duplicateTransaction(let id): "The transaction \(Self.quoted(id)) is open already."
        case .unknownTransaction(let id): "No transaction \(Self.quoted(id)) is open on this connection."
        case .tooMany(let what, let limit): "A connection may have at most \(limit) \(what)."
        case .refused(_, let detail), .refusedByServer(_, let detail): detail
        case .unreachable(let address, let reason):
            "Nothing answers at \(address): \(reason). Is hostd running, and is this its queue.listen?"
        case .connectionClosed: "The broker closed the connection without an ERROR."
        case .noAnswer(let seconds): "The broker did not answer within \(seconds) s."
        case .unexpectedFrame(let command): "The broker sent \(command.rawValue), which has no place here."
        }
    }

    /// What a peer sent, in one short line without control characters.
    private static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(80).map {
            $0.properties.generalCategory == .control ? "\u{FFFD}" : String($0)
        }
        return "\"\(shown.joined())\(text.unicodeScalars.count > 80 ? "..." : "")\""
    }
}

extension StompError: CustomStringConvertible {
    package var description: String { detail.isEmpty ? message : "\(message): \(detail)" }
}
