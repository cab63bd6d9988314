// SPDX-License-Identifier: Apache-2.0

/// Where in a configuration file something stands.
///
/// Line 0 = the file as a whole.
package struct ConfigPlace: Hashable, Sendable, CustomStringConvertible {
    package let file: String
    package let line: Int
    /// Dotted, as `queue.max_retries`; empty = the whole file.
    package let key: String

    package init(file: String, line: Int, key: String) {
        self.file = file
        self.line = line
        self.key = key
    }

    package var description: String {
        file + (line > 0 ? ":\(line)" : "") + ": " + (key.isEmpty ? "" : "\(key): ")
    }
}

/// What is wrong with the configuration, each in one line that names file, line and key, what was found and what is
/// wanted.
///
/// A file's errors are collected and thrown together as `several`.
package indirect enum ConfigError: Error, Hashable, Sendable, CustomStringConvertible {
    case unreadable(file: String, reason: String)
    /// Broken YAML.
    case syntax(file: String, line: Int, column: Int, problem: String)
    case duplicateKey(ConfigPlace, firstLine: Int)
    case unknownKey(ConfigPlace, suggestion: String?)
    case missingKey(ConfigPlace, wanted: String)
    case wrongValue(ConfigPlace, wanted: String, found: String)
    /// A `${NAME}` or `file:PATH` that gives no secret.
    case secret(ConfigPlace, problem: String)
    /// Values that are legal each by itself but not together.
    case conflict(ConfigPlace, problem: String)
    case duplicateNickname(ConfigPlace, nickname: String, otherFile: String)
    case several([ConfigError])

    /// The single errors, in the order of reading.
    package var all: [ConfigError] {
        if case .several(let errors) = self { errors.flatMap(\.all) } else { [self] }
    }

    /// What the file says of this key isn't known, or may be meant by another one.
    func isAbout(_ key: String) -> Bool {
        switch self {
        case .unknownKey(_, let suggestion): suggestion == key
        case .duplicateKey(let place, _), .missingKey(let place, _), .wrongValue(let place, _, _),
            .secret(let place, _), .conflict(let place, _), .duplicateNickname(let place, _, _):
            place.key == key
        case .unreadable, .syntax: false
        case .several(let errors): errors.contains { $0.isAbout(key) }
        }
    }

    /// nil where there is none.
    package init?(_ errors: [ConfigError]) {
        guard let first = errors.first else { return nil }
        self = errors.count == 1 ? first : .several(errors)
    }

    package var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "\(file): can't be read: \(reason)"
        case .syntax(let file, let line, let column, let problem):
            "\(file):\(line):\(column): broken YAML: \(problem)"
        case .duplicateKey(let place, let firstLine):
            "\(place)set twice, first in line \(firstLine); keep one"
        case .unknownKey(let place, let suggestion):
            "\(place)unknown key" + (suggestion.map { "; did you mean \($0)?" } ?? "; docs/config.md lists all keys")
        case .missingKey(let place, let wanted):
            "\(place)missing; expected \(wanted)"
        case .wrongValue(let place, let wanted, let found):
            "\(place)expected \(wanted), found \(found)"
        case .secret(let place, let problem), .conflict(let place, let problem):
            "\(place)\(problem)"
        case .duplicateNickname(let place, let nickname, let otherFile):
            "\(place)the nickname \"\(nickname)\" is already taken by \(otherFile); each site needs its own"
        case .several(let errors):
            errors.map(\.description).joined(separator: "\n")
        }
    }
}
