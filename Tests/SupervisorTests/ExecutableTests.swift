// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Supervisor

@Suite struct ExecutableTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func file(_ text: String, _ name: String = "hostd") throws -> ExecutableFile {
        let path = try directory.write(text, to: name, mode: 0o700)
        return ExecutableFile(path: path, identity: try #require(ExecutableFile.Identity(path: path)))
    }

    @Test("What runs is found by the name that it was called by")
    func running() throws {
        let own = try #require(ExecutableFile.running())
        #expect(own.identity == ExecutableFile.Identity(path: "/proc/self/exe"))
        #expect(own.replacement == nil)
        // A symbolic link is kept: an upgrade may turn it to another file.
        let link = directory.file("link")
        #expect(symlink(own.path, link) == 0)
        #expect(ExecutableFile.running(calledBy: link)?.path == link)
        #expect(ExecutableFile.running(calledBy: "link", searchPath: "/nowhere:" + directory.path)?.path == link)
        // A name that says something else is no way to find it.
        #expect(ExecutableFile.running(calledBy: "/bin/sh")?.identity == own.identity)
        #expect(ExecutableFile.running(calledBy: "/bin/sh")?.replacement == nil)
    }

    @Test("A file that was renamed into place, or written in place, is another; one that is gone is none")
    func replaced() throws {
        let hostd = try file("one")
        #expect(hostd.replacement == nil)
        try directory.write("two", to: "new", mode: 0o700)
        #expect(rename(directory.file("new"), hostd.path) == 0)
        let second = try #require(hostd.replacement)
        try directory.write("three and more", to: "hostd", mode: 0o700)
        #expect(hostd.replacement != second && hostd.replacement != nil)
        #expect(unlink(hostd.path) == 0)
        #expect(hostd.replacement == nil)
        #expect(mkdir(hostd.path, 0o700) == 0)
        #expect(hostd.replacement == nil)
    }

    @Test("What a trial says is told from its end and its words")
    func verdicts() {
        #expect(
            ExecutableTrial.verdict("a warning\nhostd takes over: 2.0.1\n", .exited(status: 0))
                == .canTakeOver(version: "2.0.1")
        )
        guard case .refused(let reason) = ExecutableTrial.verdict("hostd takes over: 2.0.1\n", .killed(signal: SIGSEGV))
        else {
            Issue.record("a crash was taken for an answer")
            return
        }
        #expect(reason.hasPrefix("signal 11"))
        #expect(
            ExecutableTrial.verdict("first\nhostd.yaml:3: no such key\n", .exited(status: 1))
                == .refused(reason: "exit status 1: hostd.yaml:3: no such key")
        )
    }

    @Test("A program that isn't hostd, isn't a program, or hangs, is refused in one line")
    func trials() throws {
        func reason(_ text: String, mode: Int = 0o700) throws -> String? {
            let path = try directory.write(text, to: "trial", mode: mode)
            let trial = ExecutableTrial(path: path, arguments: ["--check"], timeLimit: .milliseconds(500))
            if case .refused(let reason) = trial.run() { return reason }
            return nil
        }
        #expect(try reason("this is text\n")?.hasSuffix("can't be started: Exec format error") == true)
        #expect(try reason("#!/bin/sh\necho no >&2; exit 1\n") == "exit status 1: no")
        #expect(try reason("#!/bin/sh\nexit 0\n")?.contains("it is no hostd") == true)
        #expect(try reason("#!/bin/sh\nexec sleep 1000\n") == "no answer within 0 s")
        #expect(
            try reason("#!/bin/sh\nexit 0\n", mode: 0o600)?.hasSuffix("can't be started: Permission denied") == true
        )
        #expect(try reason("#!/bin/sh\n[ \"$1\" = --check ] && echo \"hostd takes over: 7\"\n") == nil)
    }
}
