// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import HostConfig

@Suite struct SecretTests {
    @Test("A secret shows stars however it is printed")
    func hidden() {
        let secret = Secret("geheim")
        var dumped = ""
        dump(secret, to: &dumped)
        var config = HostConfig(folder: "/")
        config.console.token = secret
        var dumpedConfig = ""
        dump(config, to: &dumpedConfig)
        for text in ["\(secret)", String(reflecting: secret), dumped, dumpedConfig, "\(config)", "\([secret])"] {
            #expect(!text.contains("geheim"), "\(text)")
        }
        #expect(secret.reveal() == "geheim")
    }

    @Test("A file gives its text without the line ends after it")
    func file() throws {
        let folder = try TemporaryDirectory()
        try folder.write("two words \r\n\n", to: "secrets/a")
        let secret = try SecretReference("file:secrets/a").resolve(in: folder.path, environment: { _ in nil })
        #expect(secret == Secret("two words "))
        let absolute = try SecretReference("file:\(folder.path)/secrets/a").resolve(in: "/", environment: { _ in nil })
        #expect(absolute == secret)
    }

    @Test("A missing or empty file or variable is an error that names it")
    func missing() throws {
        let folder = try TemporaryDirectory()
        try folder.write("\n", to: "empty")
        for (text, problem) in [
            ("file:no", "the secret file \(folder.path)/no can't be read: No such file or directory"),
            ("file:empty", "the secret file \(folder.path)/empty is empty"),
            ("file:", "\"file:\" names no file; expected file:PATH"),
            ("${NO}", "the environment variable NO isn't set"),
            ("${EMPTY}", "the environment variable EMPTY is empty"),
            ("${}", "\"${}\" names no environment variable; expected ${NAME}"),
            ("${1 x}", "\"${1 x}\" names no environment variable; expected ${NAME}"),
        ] {
            #expect(throws: SecretReference.Failure(problem: problem)) {
                try SecretReference(text).resolve(in: folder.path, environment: { $0 == "EMPTY" ? "" : nil })
            }
        }
    }

    @Test("What isn't wholly a reference is the secret itself", arguments: ["a${B}", "${B}c", "x file:y", "$B"])
    func literal(text: String) throws {
        #expect(try SecretReference(text).resolve(in: "/", environment: { _ in nil }) == Secret(text))
    }
}
