// SPDX-License-Identifier: Apache-2.0

/// What a command was refused or failed for: exit status 1, and one line that says what to do.
enum QueueCtlError: Error, Equatable, CustomStringConvertible {
    /// Neither of the broker's addresses takes a connection.
    case noBroker(reason: String)
    case unreadableInput(file: String, reason: String)
    case emptyInput(file: String)
    /// `line` is nil where the input is one frame.
    case enqueue(accepted: Int, line: Int?, reason: String)
    /// Lines of a file, some of them bad; each was told by its number.
    case takenInPart(accepted: Int, refused: Int)
    case stateDirectory(String, reason: String)
    case unknownLetters([Int64])
    case unknownNotice(String)
    case output(String)

    var description: String {
        switch self {
        case .noBroker(let reason): "the broker can't be reached (\(reason)): is hostd running with this configuration?"
        case .unreadableInput(let file, let reason): "\(file): can't be read: \(reason)"
        case .emptyInput(let file): "\(file): empty: an item needs a frame"
        case .enqueue(let accepted, nil, let reason): "\(accepted) accepted: \(reason)"
        case .enqueue(let accepted, .some(let line), let reason):
            "\(accepted) accepted, then line \(line) failed: \(reason)"
        case .takenInPart(let accepted, let refused): "\(accepted) lines taken, \(refused) refused"
        case .stateDirectory(let path, let reason): "\(path): can't be made: \(reason)"
        case .unknownLetters(let ids):
            "no dead letter \(ids.map(String.init).joined(separator: ", ")): queuectl dead list shows what there is"
        case .unknownNotice(let notice):
            "nothing is known of notice \(notice): never enqueued here, or older than queue.history"
        case .output(let reason): "can't write the output: \(reason)"
        }
    }
}
