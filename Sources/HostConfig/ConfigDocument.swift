// SPDX-License-Identifier: Apache-2.0
import Yams

/// One YAML file while it is read: keeps its root, and collects the errors and the keys that were asked for.
///
/// Made and dropped inside one call of a loader; never shared.
final class ConfigDocument {
    /// As errors name it; nil = there is no file, and nothing to go wrong.
    let file: String?
    /// Absolute; what relative paths in the file are relative to.
    let folder: String
    let environment: SecretReference.Environment
    private(set) var root: Node?
    /// As it was read; nil where it couldn't be.
    private(set) var text: String?
    private(set) var errors: [ConfigError] = []
    /// Dotted, in the order of reading.
    private(set) var knownKeys: [String] = []

    private static let sizeLimit = 1 << 20

    /// No file: every key has its default.
    init(folder: String) {
        file = nil
        self.folder = folder
        environment = { _ in nil }
    }

    /// Reads and parses; where that fails, `errors` says why and `root` is nil.
    init(file: String, environment: @escaping SecretReference.Environment) {
        self.file = file
        folder = TextFile.folder(of: file)
        self.environment = environment
        do {
            parse(try TextFile.read(file, limit: Self.sizeLimit), file)
        } catch {
            report(.unreadable(file: file, reason: error.reason))
        }
    }

    init(file: String, text: String, environment: @escaping SecretReference.Environment) {
        self.file = file
        folder = TextFile.folder(of: file)
        self.environment = environment
        parse(text, file)
    }

    func place(line: Int, key: String) -> ConfigPlace { ConfigPlace(file: file ?? "", line: line, key: key) }
    func report(_ error: ConfigError) { errors.append(error) }
    func note(key: String) { knownKeys.append(key) }

    private func parse(_ text: String, _ file: String) {
        self.text = text
        do {
            root = try Parser(yaml: text, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            report(Self.translate(error, text, file))
        } catch {
            report(.unreadable(file: file, reason: "\(error)"))
        }
    }

    private static func translate(_ error: YamlError, _ text: String, _ file: String) -> ConfigError {
        func syntax(_ context: YamlError.Context?, _ problem: String, _ mark: Mark) -> ConfigError {
            let problem = context.map { "\($0.text), \(problem)" } ?? problem
            return .syntax(file: file, line: mark.line, column: mark.column, problem: problem)
        }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return syntax(context, problem, mark)
        case .reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            let line = before.count(where: \.isNewline) + 1
            let column = before.reversed().prefix { !$0.isNewline }.count + 1
            return .syntax(file: file, line: line, column: column, problem: problem)
        case .duplicatedKeysInMapping(let keys, let context):
            let key = keys.first ?? ""
            let again = lineOfSecond(key, after: context.mark, in: text) ?? context.mark.line
            return .duplicateKey(ConfigPlace(file: file, line: again, key: key), firstLine: context.mark.line)
        default:
            return .unreadable(file: file, reason: "\(error)")
        }
    }

    /// The library tells the first of two equal keys only: the second stands below it, just as far to the right.
    private static func lineOfSecond(_ key: String, after mark: Mark, in text: String) -> Int? {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let indent = String(repeating: " ", count: mark.column - 1)
        let index = lines.indices.dropFirst(mark.line).first { index in
            let line = lines[index]
            guard line.hasPrefix(indent) else { return false }
            let rest = line.dropFirst(indent.count).filter { $0 != "\"" && $0 != "'" }
            return rest.hasPrefix(key) && rest.dropFirst(key.count).first { !$0.isWhitespace } == ":"
        }
        return index.map { $0 + 1 }
    }
}
