// SPDX-License-Identifier: Apache-2.0
import PluginABI
import QueueCore
import Testing
import WorkerLink

@testable import PluginHost

@Suite struct RecipientServiceTests {
    @Test("Rows are put, got, paged and removed; credentials come back")
    func directory() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("get a t1") == "status=0 n=0 more=0")
        #expect(try await plugin.answer(#"put a t1 k1 {"x":1}"#) == "status=0")
        #expect(try await plugin.answer("put a t1 k2") == "status=0")
        #expect(try await plugin.answer("put a t2") == "status=0")
        #expect(try await plugin.answer("put b t3") == "status=0")
        #expect(try await plugin.answer("get a t1") == #"status=0 n=2 more=0 a>t1/k1/{"x":1} a>t1/k2/"#)
        // A page of two rows never splits a target.
        #expect(try await plugin.answer("page a").hasPrefix("status=0 n=2 more=1 a>t1/k1/"))
        #expect(try await plugin.answer("remove a t1 k1") == "status=0")
        #expect(try await plugin.answer("page a") == "status=0 n=2 more=0 a>t1/k2/ a>t2//")
        #expect(try await plugin.answer("remove  t1") == "status=0")
        #expect(try await plugin.answer("page ") == "status=0 n=2 more=0 a>t2// b>t3//")
    }

    @Test("A put with another version than the row's is stale; one that can't be taken is invalid")
    func conditions() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("put a t  {} 77") == "status=\(HOSTD_E_STALE)")
        #expect(try await plugin.answer("put a t  nonsense") == "status=\(HOSTD_E_INVAL)")
        #expect(try await plugin.answer("remove a") == "refused=\(HOSTD_E_INVAL)")
    }

    @Test("A frame's own recipients are served in place of the directory's")
    func inline() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("put a t1") == "status=0")
        let frame = #"{"recipients": [{"plugin": "scripted", "author": "a", "target": "own", "key": "k"}]}"#
        let paged = try await plugin.run("page a") { item, bytes in item.shared = bytes.appendSpan(frame) }
        #expect(paged.outcome.text == "status=0 n=1 more=0 a>own/k/")
        let got = try await plugin.run("get a t1") { item, bytes in item.shared = bytes.appendSpan(frame) }
        #expect(got.outcome.text == "status=0 n=0 more=0")
        let broken = try await plugin.run("page a") { item, bytes in
            item.shared = bytes.appendSpan(#"{"recipients": 7}"#)
        }
        #expect(broken.outcome.text == "status=\(HOSTD_E_INVAL) n=0 more=0")
    }
}

@Suite struct KeyValueServiceTests {
    @Test("Values are put under a condition, got and removed")
    func values() async throws {
        let plugin = try await HostedPlugin()
        let absent = UInt64.max
        #expect(try await plugin.answer("kv-get k") == "status=\(HOSTD_E_NOTFOUND) value= version=0")
        #expect(try await plugin.answer("kv-put k one 0") == "status=0 value=one version=1")
        #expect(try await plugin.answer("kv-get k") == "status=0 value=one version=1")
        #expect(try await plugin.answer("kv-put k two 999999") == "status=\(HOSTD_E_STALE) value= version=0")
        #expect(
            try await plugin.answer("kv-put k two \(Int64(bitPattern: absent))")
                == "status=\(HOSTD_E_STALE) value= version=0"
        )
        #expect(try await plugin.answer("kv-put k  0") == "status=0 value= version=0")
        #expect(try await plugin.answer("kv-get k") == "status=\(HOSTD_E_NOTFOUND) value= version=0")
        #expect(try await plugin.answer("kv-put k two \(Int64(bitPattern: absent))") == "status=0 value=two version=1")
        #expect(try await plugin.answer("kv-get ") == "refused=\(HOSTD_E_INVAL)")
    }
}
