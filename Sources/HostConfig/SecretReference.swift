// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How a secret is written in a configuration file: `${NAME}` is an environment variable, `file:PATH` a file (relative
/// to the folder of the configuration file), anything else the secret itself.
package enum SecretReference: Hashable, Sendable {
    case environment(String)
    case file(String)
    case literal(String)

    /// The environment of this process; tests pass their own.
    package typealias Environment = @Sendable (String) -> String?
    package static let processEnvironment: Environment = { name in
        getenv(name).map { String(cString: $0) }
    }

    struct Failure: Error, Equatable {
        let problem: String
    }

    /// Far above any key or token.
    private static let sizeLimit = 64 * 1024

    init(_ text: String) throws(Failure) {
        if text.hasPrefix("file:") {
            let path = String(text.dropFirst("file:".count))
            guard !path.isEmpty else { throw Failure(problem: "\"file:\" names no file; expected file:PATH") }
            self = .file(path)
        } else if text.hasPrefix("${"), text.hasSuffix("}") {
            let name = String(text.dropFirst(2).dropLast())
            let isLegal = name.utf8.first.map { !(48...57).contains($0) } ?? false
            guard isLegal, name.utf8.allSatisfy({ $0 == 95 || isAlphanumeric($0) }) else {
                throw Failure(problem: "\"\(text)\" names no environment variable; expected ${NAME}")
            }
            self = .environment(name)
        } else {
            self = .literal(text)
        }
    }

    func resolve(in folder: String, environment: Environment) throws(Failure) -> Secret {
        switch self {
        case .literal(let text):
            return Secret(text)
        case .environment(let name):
            guard let value = environment(name) else {
                throw Failure(problem: "the environment variable \(name) isn't set")
            }
            guard !value.isEmpty else { throw Failure(problem: "the environment variable \(name) is empty") }
            return Secret(value)
        case .file(let path):
            let full = TextFile.resolve(path, in: folder)
            var text: String
            do {
                text = try TextFile.read(full, limit: Self.sizeLimit)
            } catch {
                throw Failure(problem: "the secret file \(full) can't be read: \(error.reason)")
            }
            while let last = text.last, last.isNewline { text.removeLast() }
            guard !text.isEmpty else { throw Failure(problem: "the secret file \(full) is empty") }
            return Secret(text)
        }
    }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
}
