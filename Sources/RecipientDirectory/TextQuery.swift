// SPDX-License-Identifier: Apache-2.0
import GRDB
import GRDBSQLite

/// A prepared statement with texts as arguments, for the hot paths: straight on SQLite's C API, as GRDB's access to the
/// connection, its arguments and its rows cost more than SQLite itself needs for one row by key.
///
/// Prepared once. Only on the one thread that uses the connection; to be gone before that is closed.
final class TextQuery {
    private let statement: OpaquePointer
    private let connection: OpaquePointer

    /// Static data, immutable.
    private nonisolated(unsafe) static let emptyText: UnsafePointer<CChar> = {
        let text: StaticString = ""
        return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    }()

    init(_ connection: OpaquePointer, sql: String) throws {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw Self.failure(code, connection) }
        self.statement = statement
        self.connection = connection
    }

    deinit { sqlite3_finalize(statement) }

    /// Runs a statement that gives no rows.
    func run() throws { try forEachRow([]) { _ in true } }

    /// Steps through the rows until `body` gives false.
    func forEachRow(_ values: [String], _ body: (TextRow) -> Bool) throws { try bind(values[...], body) }

    /// Binds the first value for as long as it takes to bind the others and to step: SQLite needs no copies.
    private func bind(_ values: ArraySlice<String>, _ body: (TextRow) -> Bool) throws {
        guard var value = values.first else { return try step(body) }
        try value.withUTF8 { bytes in
            // No destructor is SQLITE_STATIC: the bytes stay where they are until `step` has cleared the bindings. An empty
            // buffer may have no address, and NULL isn't the empty text.
            let code = bytes.withMemoryRebound(to: CChar.self) {
                let start = $0.baseAddress ?? Self.emptyText
                return sqlite3_bind_text(statement, CInt(values.startIndex + 1), start, CInt($0.count), nil)
            }
            guard code == SQLITE_OK else {
                sqlite3_clear_bindings(statement)
                throw Self.failure(code, connection)
            }
            try bind(values.dropFirst(), body)
        }
    }

    private func step(_ body: (TextRow) -> Bool) throws {
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        while true {
            let code = sqlite3_step(statement)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw Self.failure(code, connection) }
            guard body(TextRow(statement: statement)) else { return }
        }
    }

    private static func failure(_ code: CInt, _ connection: OpaquePointer) -> DatabaseError {
        DatabaseError(resultCode: ResultCode(rawValue: code), message: String(cString: sqlite3_errmsg(connection)))
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
