// SPDX-License-Identifier: Apache-2.0
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

@Suite struct StateDirectoryTests {
    private func mode(_ path: String) -> UInt32? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o777 : nil
    }

    @Test("It is made for its owner alone, with the folder of journals in it")
    func created() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory.open(directory.file("var"))
        #expect(mode(state.path) == 0o700)
        #expect(mode(state.path + "/journals") == 0o700)
        #expect(mode(state.path + "/hostd.lock") == 0o600)
    }

    @Test("One that others can read is closed to them")
    func tightened() throws {
        let directory = try TemporaryDirectory()
        #expect(mkdir(directory.file("var"), 0o700) == 0 && chmod(directory.file("var"), 0o755) == 0)
        let state = try StateDirectory.open(directory.file("var"))
        #expect(mode(state.path) == 0o700)
    }

    @Test("A second hostd on it is refused with the pid of the first; after the first's end it may")
    func locked() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("var")
        var first: StateDirectory? = try StateDirectory.open(path)
        #expect(throws: SupervisorError.alreadyRunning(stateDirectory: path, pid: "\(getpid())")) {
            try StateDirectory.open(path)
        }
        #expect(first?.path == path)
        first = nil
        _ = try StateDirectory.open(path)
    }

    @Test("The broker's lock is free again only when the last who has it is gone")
    func brokerLock() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory.open(directory.file("var"))
        var lock = try state.takeBrokerLock()
        let descriptor = try #require(lock?.descriptor)
        #expect(try state.takeBrokerLock() == nil)
        // As a child has it that outlives us.
        let inherited = dup(descriptor)
        lock = nil
        #expect(try state.takeBrokerLock() == nil)
        close(inherited)
        #expect(try state.takeBrokerLock() != nil)
    }

    @Test("A file in its place, a missing parent and somebody else's directory are refused in words")
    func refused() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("", to: "file")
        #expect(throws: SupervisorError.stateDirectory(file, reason: "it is not a directory")) {
            try StateDirectory.open(file)
        }
        let deep = directory.file("no/where")
        #expect(throws: SupervisorError.self) { try StateDirectory.open(deep) }
        try #require(geteuid() == 0, "only root can make a directory somebody else's: run the tests in the container")
        let foreign = directory.file("foreign")
        #expect(mkdir(foreign, 0o700) == 0 && chown(foreign, 4711, 4711) == 0)
        #expect(throws: SupervisorError.stateDirectoryForeign(foreign, owner: 4711)) {
            try StateDirectory.open(foreign)
        }
    }

    @Test("The place of a singleton's worker is taken once, whatever the generation, until its holder has gone")
    func singletonLock() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory.open(directory.file("var"))
        let (plugin, other) = (PluginName(unchecked: "omb"), PluginName(unchecked: "other"))
        var held = try state.takeSingletonLock(of: .worker(plugin, generation: 9, index: 0))
        #expect(held != nil)
        #expect(try state.takeSingletonLock(of: .worker(plugin, generation: 1, index: 0)) == nil)
        #expect(try state.takeSingletonLock(of: .worker(other, generation: 1, index: 0)) != nil)
        held = nil
        #expect(try state.takeSingletonLock(of: .worker(plugin, generation: 1, index: 0)) != nil)
        #expect(held == nil)
    }
}
