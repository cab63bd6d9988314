// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import TestSupport

@testable import PluginHost

extension Memcached {
    var server: CacheServer { CacheServer(host: host, port: port) }
}

/// A cache on a loop, asked from a test.
final class AskedCache: Sendable {
    private let store: NIOLoopBound<any CacheStore>
    private let loop: any EventLoop
    private let memcached: Memcached?

    init(
        keeping memcached: Memcached? = nil,
        _ make: @escaping @Sendable (any EventLoop) -> any CacheStore
    ) async throws {
        self.memcached = memcached
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.loop = loop
        store = try await loop.submit { NIOLoopBound(make(loop), eventLoop: loop) }.get()
    }

    deinit {
        let store = store
        loop.execute { store.value.shutDown() }
    }

    func ask(_ request: CacheRequest, _ key: String) async throws -> CacheAnswer {
        try await all([request], key)[0]
    }

    /// Asks all at once; the answers in the order in which they came.
    func all(_ requests: [CacheRequest], _ key: String) async throws -> [CacheAnswer] {
        let (loop, store) = (loop, store)
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: [CacheAnswer].self)
            var answers: [CacheAnswer] = []
            for request in requests {
                store.value.perform(request, key: key) { answer in
                    answers.append(answer)
                    if answers.count == requests.count { promise.succeed(answers) }
                }
            }
            return promise.futureResult
        }.get()
    }
}
