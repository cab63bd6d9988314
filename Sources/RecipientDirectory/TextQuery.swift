// SPDX-License-Identifier: Apache-2.0
import GRDB
import GRDBSQLite

/// A SELECT with texts as arguments, for the hot paths: straight on SQLite's C API, as GRDB's arguments and rows cost
/// three times what SQLite itself needs for one row by key.
///
/// Only inside GRDB's access to the connection, which keeps it to one thread.
struct TextQuery {
    private let statement: OpaquePointer
    private let connection: OpaquePointer?

    /// SQLITE_TRANSIENT: `((sqlite3_destructor_type)-1)` in sqlite3.h.
    private static var copies: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    /// GRDB keeps the prepared statement, and finalises it with the connection.
    init(_ database: Database, sql: String) throws {
        statement = try database.cachedStatement(sql: sql).sqliteStatement
        connection = database.sqliteConnection
    }

    /// Steps through the rows until `body` gives false.
    func forEachRow(_ values: [String], _ body: (TextRow) -> Bool) throws {
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            var value = value
            let code = value.withUTF8 { bytes in
                // SQLite copies the bytes (SQLITE_TRANSIENT, a macro that Swift doesn't see): they are ours for this
                // call only. An empty buffer may have no address, and NULL isn't the empty text.
                guard let start = bytes.baseAddress else {
                    return sqlite3_bind_text(statement, CInt(index + 1), "", 0, Self.copies)
                }
                return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                    sqlite3_bind_text(statement, CInt(index + 1), $0, CInt(bytes.count), Self.copies)
                }
            }
            guard code == SQLITE_OK else { throw failure(code) }
        }
        while true {
            let code = sqlite3_step(statement)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw failure(code) }
            guard body(TextRow(statement: statement)) else { return }
        }
    }

    private func failure(_ code: CInt) -> DatabaseError {
        DatabaseError(
            resultCode: ResultCode(rawValue: code),
            message: connection.map { String(cString: sqlite3_errmsg($0)) }
        )
    }
}

/// The row that a query stands at; good inside `body` only.
struct TextRow {
    fileprivate let statement: OpaquePointer

    func text(_ column: CInt) -> String {
        // SQLite's bytes live until the next step: copied here.
        guard let start = sqlite3_column_text(statement, column) else { return "" }
        let count = Int(sqlite3_column_bytes(statement, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func integer(_ column: CInt) -> Int64 { sqlite3_column_int64(statement, column) }
}
