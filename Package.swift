// swift-tools-version:6.3
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// Two build modes (docs/decisions/0002-two-build-modes.md): the shared Swift runtime for `swift build`, tests and
// sanitizers; self-contained (HOSTD_SELF_CONTAINED=1, set by `make build`) for what ships.
let selfContained = Context.environment["HOSTD_SELF_CONTAINED"] != nil

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let cSettings: [CSetting] = [.unsafeFlags(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])]

/// Only a plugin's own entry leaves its image, and nothing of the host's reaches in (docs/plugins.md).
let pluginLinking: [LinkerSetting] =
    selfContained
    ? [
        .unsafeFlags([
            "-static-stdlib", "-Xlinker", "--version-script=\(Context.packageDirectory)/scripts/plugin.map",
            "-Xlinker", "-Bsymbolic", "-Xlinker", "--gc-sections", "-Xlinker", "-znodelete", "-Xlinker", "-s",
        ])
    ] : []
let pluginSettings = settings + (selfContained ? [.unsafeFlags(["-static-stdlib"])] : [])

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }
let argumentParser = product("ArgumentParser", "swift-argument-parser")
let asyncHTTPClient = product("AsyncHTTPClient", "async-http-client")
let crypto = product("Crypto", "swift-crypto")
let deque = product("DequeModule", "swift-collections")
let grdb = product("GRDB", "GRDB.swift")
let sqlite = product("GRDBSQLite", "GRDB.swift")
let heap = product("HeapModule", "swift-collections")
let hummingbird = product("Hummingbird", "hummingbird")
let logging = product("Logging", "swift-log")
let nioConcurrency = product("NIOConcurrencyHelpers", "swift-nio")
let nioCore = product("NIOCore", "swift-nio")
let nioHTTP1 = product("NIOHTTP1", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioSSL = product("NIOSSL", "swift-nio-ssl")
let nioTLS = product("NIOTLS", "swift-nio")
let yams = product("Yams", "Yams")

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// A role of the daemon: its folder lies under Sources/HostDaemon, and the compiler holds its borders.
func role(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/HostDaemon/\(name)", swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

/// Built for the tests that run it, and never shipped.
let examples: [Product] = selfContained ? [] : [.library(name: "lines", type: .dynamic, targets: ["LinesExample"])]

let roles = ["Supervisor", "Broker", "Worker", "Console", "Probe"]

let package = Package(
    name: "hostd",
    products: [
        .executable(name: "hostd", targets: ["HostDaemon"]),
        .executable(name: "queuectl", targets: ["QueueCtl"]),
        .library(name: "PluginKit", targets: ["PluginKit"]),
        .library(name: "PluginKitTesting", targets: ["PluginKitTesting"]),
        .library(name: "omb", type: .dynamic, targets: ["OMB"]),
        .library(name: "xmppout", type: .dynamic, targets: ["XMPPOutPlugin"]),
        .library(name: "twitter", type: .dynamic, targets: ["TwitterEntry"]),
    ] + examples,
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
    ],
    targets: [
        // Words and pure rules.
        module("QueueCore", [deque, heap]),
        // The plugin side: nothing of the host.
        .target(name: "PluginABI", cSettings: cSettings),
        module("PluginKit", ["PluginABI"]),
        module("PluginKitTesting", ["PluginKit", "PluginABI"]),
        module("OAuth1", [crypto]),
        .target(
            name: "OMB",
            dependencies: ["PluginKit", "OAuth1"],
            path: "Plugins/OMB",
            swiftSettings: pluginSettings,
            linkerSettings: pluginLinking
        ),
        .systemLibrary(name: "CLibXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .target(
            name: "XMPPOut",
            dependencies: ["PluginKit", "CLibXML2", crypto],
            path: "Plugins/XMPPOut",
            exclude: ["Entry"],
            swiftSettings: pluginSettings
        ),
        // Apart, as a test binary can't hold the entries of two plugins.
        .target(
            name: "XMPPOutPlugin",
            dependencies: ["XMPPOut", "PluginKit"],
            path: "Plugins/XMPPOut/Entry",
            swiftSettings: pluginSettings,
            linkerSettings: pluginLinking
        ),
        // Its entry is a target of its own: a test program holds several plugins, and only one entry symbol.
        .target(
            name: "Twitter",
            dependencies: ["PluginKit", "OAuth1"],
            path: "Plugins/Twitter",
            exclude: ["Entry"],
            swiftSettings: pluginSettings
        ),
        .target(
            name: "TwitterEntry",
            dependencies: ["Twitter", "PluginKit"],
            path: "Plugins/Twitter/Entry",
            swiftSettings: pluginSettings,
            linkerSettings: pluginLinking
        ),
        // docs/plugins.md explains it piece by piece.
        .target(
            name: "LinesExample",
            dependencies: ["PluginKit"],
            path: "docs/examples/lines",
            swiftSettings: settings
        ),
        // The host's foundations.
        .systemLibrary(name: "CMemcached", pkgConfig: "libmemcached", providers: [.apt(["libmemcached-dev"])]),
        .target(name: "CResolve", cSettings: cSettings, linkerSettings: [.linkedLibrary("resolv")]),
        module("Stomp", [nioCore, nioPosix]),
        module("HostConfig", ["QueueCore", yams]),
        module("Telemetry", ["QueueCore", logging]),
        module("Control", ["QueueCore", nioCore, nioPosix]),
        module("WorkerLink", ["QueueCore", nioCore]),
        module("QueueStore", ["QueueCore", grdb, sqlite, nioConcurrency]),
        module("RecipientDirectory", ["QueueCore", grdb, sqlite]),
        module("PluginFiles", ["PluginABI", "QueueCore", crypto]),
        module(
            "PluginHost",
            [
                "PluginFiles", "PluginABI", "QueueCore", "Telemetry", "RecipientDirectory", "WorkerLink",
                "CMemcached", "CResolve", asyncHTTPClient, crypto, nioCore, nioPosix, nioHTTP1, nioSSL, nioTLS,
                nioConcurrency, grdb, logging,
            ]
        ),
        // The roles.
        role(
            "Supervisor",
            [
                "Control", "HostConfig", "PluginFiles", "Telemetry", "WorkerLink", "QueueCore", nioCore, nioPosix,
                logging,
            ]
        ),
        role(
            "Broker",
            [
                "QueueStore", "Stomp", "WorkerLink", "Control", "HostConfig", "Telemetry", "QueueCore", nioCore,
                nioPosix,
                logging, deque, heap,
            ]
        ),
        role(
            "Worker",
            [
                "PluginHost", "WorkerLink", "Control", "HostConfig", "Telemetry", "QueueCore", deque, nioCore, nioPosix,
                logging,
            ]
        ),
        role(
            "Console",
            [
                "Control", "HostConfig", "Telemetry", "QueueCore", hummingbird, logging, nioConcurrency, nioCore,
                nioPosix,
            ]
        ),
        role("Probe", ["PluginFiles", "PluginHost", "QueueCore"]),
        .executableTarget(
            name: "HostDaemon",
            dependencies: [
                "Supervisor", "Broker", "Worker", "Console", "Probe", "HostConfig", "Telemetry", "QueueCore",
                argumentParser,
                logging,
            ],
            path: "Sources/HostDaemon",
            exclude: roles,
            swiftSettings: settings
        ),
        .executableTarget(
            name: "QueueCtl",
            dependencies: [
                "Control", "Stomp", "HostConfig", "RecipientDirectory", "QueueCore", argumentParser, nioCore, nioPosix,
            ],
            swiftSettings: settings
        ),
        // A loopback receiver for `make run`, tests and benchmarks; never installed.
        .executableTarget(
            name: "DemoReceiver",
            dependencies: ["OAuth1", argumentParser, nioCore, nioPosix, nioHTTP1],
            swiftSettings: settings
        ),
        // Tests.
        .target(
            name: "TestSupport",
            dependencies: ["QueueCore", "Stomp", nioCore, nioPosix, nioHTTP1, nioConcurrency],
            path: "Tests/Support",
            swiftSettings: settings
        ),
        // hostd's probe role alone, for tests of modules below HostDaemon.
        .executableTarget(
            name: "ProbeTestTool",
            dependencies: ["Probe"],
            path: "Tests/ProbeTestTool",
            swiftSettings: settings
        ),
        tests("QueueCoreTests", ["QueueCore", "TestSupport"]),
        tests("PluginABITests", ["PluginABI", "TestSupport"]),
        tests("PluginKitTests", ["PluginKit", "PluginKitTesting", "PluginABI", "TestSupport"]),
        tests("OAuth1Tests", ["OAuth1", crypto]),
        tests("OMBTests", ["OMB", "PluginKit", "PluginKitTesting", "OAuth1", "TestSupport"]),
        tests("XMPPOutTests", ["XMPPOut", "PluginKit", "PluginKitTesting", "TestSupport", nioConcurrency]),
        tests("TwitterTests", ["Twitter", "PluginKit", "PluginKitTesting", "OAuth1", "TestSupport"]),
        tests("StompTests", ["Stomp", "TestSupport", nioCore, nioPosix]),
        tests("HostConfigTests", ["HostConfig", "QueueCore", "TestSupport"]),
        tests("TelemetryTests", ["Telemetry", "QueueCore", logging]),
        tests("ControlTests", ["Control", "QueueCore", "TestSupport", nioCore, nioPosix]),
        tests("WorkerLinkTests", ["WorkerLink", "QueueCore", nioCore]),
        tests("QueueStoreTests", ["QueueStore", "QueueCore", "TestSupport", grdb]),
        tests("RecipientDirectoryTests", ["RecipientDirectory", "QueueCore", "TestSupport", grdb]),
        tests("PluginFilesTests", ["PluginFiles", "QueueCore", "TestSupport"]),
        tests(
            "PluginHostTests",
            [
                "PluginHost", "PluginFiles", "PluginABI", "QueueCore", "RecipientDirectory", "Telemetry", "WorkerLink",
                "TestSupport", logging, nioConcurrency, nioCore, nioHTTP1, nioPosix, nioSSL,
            ]
        ),
        tests(
            "SupervisorTests",
            ["Supervisor", "Control", "HostConfig", "WorkerLink", "QueueCore", "TestSupport", nioPosix, logging]
        ),
        tests(
            "BrokerTests",
            [
                "Broker", "Control", "QueueStore", "Stomp", "WorkerLink", "QueueCore", "TestSupport", nioConcurrency,
                nioCore, nioPosix, logging,
            ]
        ),
        tests(
            "WorkerTests",
            [
                "Worker", "WorkerLink", "PluginHost", "PluginFiles", "Control", "QueueCore", "TestSupport", logging,
                nioConcurrency, nioCore, nioPosix,
            ]
        ),
        tests(
            "BrokerContractTests",
            [
                "Broker", "Worker", "WorkerLink", "PluginHost", "Control", "QueueStore", "QueueCore", "TestSupport",
                logging, nioConcurrency, nioCore, nioPosix,
            ]
        ),
        tests(
            "ConsoleTests",
            ["Console", "Control", "Telemetry", "TestSupport", asyncHTTPClient, logging, nioCore, nioHTTP1, nioPosix]
        ),
        tests(
            "QueueCtlTests",
            [
                "QueueCtl", "Control", "HostConfig", "Stomp", "RecipientDirectory", "QueueCore", "TestSupport",
                argumentParser,
                nioCore, nioPosix,
            ]
        ),
        tests("EndToEndTests", ["TestSupport", asyncHTTPClient, nioCore, nioHTTP1]),
    ]
)
