// SPDX-License-Identifier: Apache-2.0
import GRDBSQLite

/// One prepared statement of GRDB's connection, driven through SQLite's C API.
///
/// The statements that run per item bind pointers straight to SQLite: GRDB's own binding boxes each value, which costs
/// more than the insert itself (docs/decisions/0003-embedded-broker-sqlite.md has the figures). Used only on the thread
/// that holds the connection; the connection outlives it.
final class HotStatement {
    private let raw: OpaquePointer

    init(_ sql: String, _ connection: OpaquePointer) throws(QueueStoreError) {
        var raw: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &raw, nil)
        guard code == SQLITE_OK, let raw else { throw .sqlite(code, connection) }
        self.raw = raw
    }

    deinit { sqlite3_finalize(raw) }

    // SQLite copies what is bound (SQLITE_TRANSIENT): no pointer outlives the call.
    private var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    func bind(_ index: Int32, _ number: Int64) { sqlite3_bind_int64(raw, index, number) }
    func bind(_ index: Int32, _ number: Int64?) {
        if let number { sqlite3_bind_int64(raw, index, number) } else { sqlite3_bind_null(raw, index) }
    }
    func bindNull(_ index: Int32) { sqlite3_bind_null(raw, index) }

    func bind(_ index: Int32, text: String) {
        var text = text
        text.withUTF8 { bytes in
            _ = bytes.withMemoryRebound(to: CChar.self) {
                sqlite3_bind_text(raw, index, $0.baseAddress ?? UnsafePointer(bitPattern: 1), Int32($0.count), copied)
            }
        }
    }

    /// NULL where `text` is empty.
    func bind(_ index: Int32, textOrNull text: String) {
        if text.isEmpty { bindNull(index) } else { bind(index, text: text) }
    }

    func bind(_ index: Int32, blob: [UInt8]) {
        if blob.isEmpty {
            sqlite3_bind_zeroblob(raw, index, 0)
        } else {
            _ = blob.withUnsafeBytes { sqlite3_bind_blob(raw, index, $0.baseAddress, Int32($0.count), copied) }
        }
    }

    func bind(_ index: Int32, blobOrNull blob: [UInt8]) {
        if blob.isEmpty { bindNull(index) } else { bind(index, blob: blob) }
    }

    /// True where there is a row to read.
    func step() throws(QueueStoreError) -> Bool {
        let code = sqlite3_step(raw)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        let error = QueueStoreError.sqlite(code, sqlite3_db_handle(raw))
        sqlite3_reset(raw)
        throw error
    }

    /// Runs it to its end and makes it ready for the next use.
    func run() throws(QueueStoreError) {
        while try step() {}
        sqlite3_reset(raw)
    }

    /// Runs an UPDATE or DELETE to its end; true where it met a row.
    func change() throws(QueueStoreError) -> Bool {
        try run()
        return sqlite3_changes(sqlite3_db_handle(raw)) > 0
    }

    func reset() { sqlite3_reset(raw) }

    func int(_ column: Int32) -> Int64 { sqlite3_column_int64(raw, column) }
    func optionalInt(_ column: Int32) -> Int64? {
        sqlite3_column_type(raw, column) == SQLITE_NULL ? nil : sqlite3_column_int64(raw, column)
    }

    /// Empty where the column is NULL.
    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(raw, column) else { return "" }
        let count = Int(sqlite3_column_bytes(raw, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// Empty where the column is NULL.
    func blob(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(raw, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(raw, column))))
    }
}

extension QueueStoreError {
    static func sqlite(_ code: Int32, _ connection: OpaquePointer?) -> QueueStoreError {
        let text = connection.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "no memory"
        return from(code: code, text: text)
    }

    static func from(code: Int32, text: String) -> QueueStoreError {
        // SQLITE_IOERR_WRITE and friends come with a full disk too on some file systems: the primary code decides.
        code & 0xff == SQLITE_FULL ? .diskFull : .failed(code: code, text: text)
    }
}
