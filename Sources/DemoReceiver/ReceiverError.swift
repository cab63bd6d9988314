// SPDX-License-Identifier: Apache-2.0
import Glibc

enum ReceiverError: Error, CustomStringConvertible {
    case system(String, Int32)
    case file(String, Int32)

    var description: String {
        switch self {
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        case .file(let path, let code): "\(path): \(String(cString: strerror(code)))"
        }
    }
}
