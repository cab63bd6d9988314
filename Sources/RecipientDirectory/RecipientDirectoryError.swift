// SPDX-License-Identifier: Apache-2.0
import GRDB

/// What can go wrong with the files of this module, each with what to do about it.
package enum RecipientDirectoryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file can't be opened or made.
    case unusable(file: String, reason: String)
    /// Not a database, or a damaged one; left untouched.
    case corrupt(file: String, reason: String)
    /// A database of another program, or of another kind; left untouched.
    case foreign(file: String)
    /// Written by a newer hostd; left untouched.
    case newerSchema(file: String, found: Int, known: Int)
    /// Another process held the file for longer than the busy timeout.
    case busy(file: String)
    case diskFull(file: String)
    case failed(file: String, reason: String)
    /// A value that can't be taken: `field` is the member's name in the JSON line.
    case invalid(field: String, reason: String)
    /// A cursor that no page has given.
    case badCursor
    /// The row has another version by now, or is gone.
    case stale

    package var description: String {
        switch self {
        case .unusable(let file, let reason):
            "\(file): can't be opened: \(reason)"
        case .corrupt(let file, let reason):
            "\(file): damaged, or no database (\(reason)); it was left untouched: put back a backup, or move it away "
                + "and import again"
        case .foreign(let file):
            "\(file): a database of something else; it was left untouched: check state_dir"
        case .newerSchema(let file, let found, let known):
            "\(file): written by a newer hostd (schema \(found), this one knows \(known)); it was left untouched: "
                + "install that version again, or put back the backup from before"
        case .busy(let file):
            "\(file): another process has kept it locked for too long; try again"
        case .diskFull(let file):
            "\(file): the disk is full; nothing was changed: make room and try again"
        case .failed(let file, let reason):
            "\(file): \(reason)"
        case .invalid(let field, let reason):
            "\(field): \(reason)"
        case .badCursor:
            "the cursor was not given by a page of this directory"
        case .stale:
            "changed by somebody else meanwhile; read it again"
        }
    }

    /// Runs `body` and says its failure in this module's words.
    static func translate<Result>(_ file: String, _ body: () throws -> Result) throws(RecipientDirectoryError) -> Result
    {
        do {
            return try body()
        } catch let error as RecipientDirectoryError {
            throw error
        } catch let error as DatabaseError {
            throw RecipientDirectoryError(error, file)
        } catch {
            throw .failed(file: file, reason: "\(error)")
        }
    }

    private init(_ error: DatabaseError, _ file: String) {
        let reason = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt(file: file, reason: reason)
        case .SQLITE_BUSY: self = .busy(file: file)
        case .SQLITE_FULL: self = .diskFull(file: file)
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_READONLY: self = .unusable(file: file, reason: reason)
        default: self = .failed(file: file, reason: reason)
        }
    }
}
