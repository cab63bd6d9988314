// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file written by one write(2) a line: what was written is there after a kill of this process.
struct AppendOnlyFile {
    private let path: String
    private let descriptor: Int32

    init(path: String, truncating: Bool = false) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (truncating ? O_TRUNC : 0), 0o600)
        guard descriptor >= 0 else { throw ReceiverError.file(path, errno) }
    }

    func append(_ line: String) throws {
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw ReceiverError.file(path, errno) }
    }

    func close() { _ = Glibc.close(descriptor) }
}
