// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore
import Testing

@Suite struct PluginDescriptorTests {
    private let full = PluginDescriptor(
        id: "org.example.omb",
        version: "1.2",
        abi: ABIVersion(major: 1, needMinor: 2, builtMinor: 3),
        handlers: [
            HandlerDescriptor(
                queue: QueueName(unchecked: "omb"),
                takesNotices: true,
                takesDeletes: true,
                maxInFlight: 2
            ),
            HandlerDescriptor(
                queue: QueueName(unchecked: "ombout"),
                group: GroupName(unchecked: "slow"),
                isSingleton: true,
                isOrdered: true,
                maxInFlight: 64,
                timeoutMs: 30_000,
                maxAttempts: 7
            ),
        ],
        configKeys: [
            ConfigKey(name: "token", kind: .string, isRequired: true, isSecret: true, help: "the token"),
            ConfigKey(name: "limit", kind: .int, defaultValue: "140"), ConfigKey(name: "on", kind: .bool),
            ConfigKey(name: "urls", kind: .list),
        ],
        outputs: [QueueName(unchecked: "xmppin")]
    )

    private func roundTrip(_ descriptor: PluginDescriptor) throws -> PluginDescriptor {
        try JSONDecoder().decode(PluginDescriptor.self, from: JSONEncoder().encode(descriptor))
    }

    @Test("What the probe prints is read back as it was")
    func readBack() throws {
        #expect(try roundTrip(full) == full)
        let bare = PluginDescriptor(
            id: "a",
            version: "0",
            abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
            handlers: []
        )
        #expect(try roundTrip(bare) == bare)
    }

    @Test("What an older hostd wrote, which knew of no delete frames, is read")
    func older() throws {
        let text = String(decoding: try JSONEncoder().encode(full), as: UTF8.self)
        let older = text.replacing(/,"takesDeletes":(true|false)|"takesDeletes":(true|false),/, with: "")
        #expect(!older.contains("takesDeletes"))
        var expected = full
        expected.handlers[0].takesDeletes = false
        #expect(try JSONDecoder().decode(PluginDescriptor.self, from: Data(older.utf8)) == expected)
    }

    @Test("A handler is of the group main, one in flight, with the host's defaults, unless it says otherwise")
    func defaults() {
        let handler = HandlerDescriptor(queue: .notice)
        #expect(handler.group == .main && handler.maxInFlight == 1)
        #expect(handler.timeoutMs == 0 && handler.maxAttempts == 0)
        #expect(!handler.takesNotices && !handler.takesDeletes && !handler.isSingleton && !handler.isOrdered)
    }

    @Test("The version's members have the names of the ABI's note")
    func versionNames() throws {
        let text = #"{"major":1,"need_minor":2,"built_minor":3}"#
        let version = try JSONDecoder().decode(ABIVersion.self, from: Data(text.utf8))
        #expect(version == ABIVersion(major: 1, needMinor: 2, builtMinor: 3))
    }

    @Test("A descriptor with an illegal queue name, an unknown kind of key or a missing member is refused")
    func refused() throws {
        let text = String(decoding: try JSONEncoder().encode(full), as: UTF8.self)
        for (good, bad) in [("\"ombout\"", "\"omb out\""), ("\"list\"", "\"lists\""), ("\"major\"", "\"maior\"")] {
            let changed = text.replacingOccurrences(of: good, with: bad)
            #expect(changed != text)
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(PluginDescriptor.self, from: Data(changed.utf8))
            }
        }
    }
}
