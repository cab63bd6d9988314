// SPDX-License-Identifier: Apache-2.0
import GRDB
import Glibc

/// Opens SQLite files with what hostd promises of them: WAL, so that nobody who reads waits for somebody who writes;
/// `synchronous=FULL`, so that a change that was answered is on disk; mode 0600, as they hold credentials.
enum DatabaseFile {
    private static let fullSync = 2

    static func openForWriting(_ path: String, _ schema: Schema) throws(RecipientDirectoryError) -> DatabaseQueue {
        try makePrivate(path)
        return try RecipientDirectoryError.translate(path) {
            let queue = try DatabaseQueue(path: path, configuration: configuration(isReadOnly: false))
            try queue.writeWithoutTransaction { database in
                // First: a file that is refused stays as it is.
                _ = try schema.version(database, path)
                let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
                // After opening, as GRDB sets NORMAL while it opens a file in WAL mode.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                let synchronous = try Int.fetchOne(database, sql: "PRAGMA synchronous")
                guard mode == "wal", synchronous == fullSync else {
                    throw RecipientDirectoryError.unusable(
                        file: path,
                        reason: "SQLite refuses WAL with synchronous=FULL here (is it a network file system?)"
                    )
                }
                try schema.migrate(database, path)
            }
            return queue
        }
    }

    /// Makes the file, and brings it to the newest schema, where that is still to be done.
    static func openForReading(_ path: String, _ schema: Schema) throws(RecipientDirectoryError) -> DatabaseQueue {
        let isReady = try RecipientDirectoryError.translate(path) {
            guard access(path, F_OK) == 0 else { return false }
            let queue = try DatabaseQueue(path: path, configuration: configuration(isReadOnly: true))
            return try queue.unsafeRead { try schema.version($0, path) } == schema.migrations.count
        }
        if !isReady {
            let queue = try openForWriting(path, schema)
            try RecipientDirectoryError.translate(path) { try queue.close() }
        }
        return try RecipientDirectoryError.translate(path) {
            try DatabaseQueue(path: path, configuration: configuration(isReadOnly: true))
        }
    }

    private static func configuration(isReadOnly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = isReadOnly
        configuration.busyMode = .timeout(5)
        configuration.observesSuspensionNotifications = false
        return configuration
    }

    /// SQLite gives -wal and -shm the mode of the file.
    ///
    /// An existing file is never opened here: closing it again would drop the POSIX locks of every connection that this
    /// process has to it.
    private static func makePrivate(_ path: String) throws(RecipientDirectoryError) {
        var status = stat()
        if stat(path, &status) == 0 {
            if status.st_mode & 0o077 != 0, chmod(path, 0o600) != 0 { throw unusable(path) }
            return
        }
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 || errno == EEXIST else { throw unusable(path) }
        if descriptor >= 0 { close(descriptor) }
    }

    private static func unusable(_ path: String) -> RecipientDirectoryError {
        .unusable(file: path, reason: String(cString: strerror(errno)))
    }
}
