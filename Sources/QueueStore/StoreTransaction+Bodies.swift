// SPDX-License-Identifier: Apache-2.0

// Frames that items share: stored once, counted by the rows that name them.
extension StoreTransaction {
    func body(_ bytes: [UInt8]) throws(QueueStoreError) -> SharedBody? {
        if bytes.isEmpty { return nil }
        if let lastBody, lastBody.bytes == bytes {
            bodyRefs[lastBody.id, default: 0] += 1
            return lastBody
        }
        var hash = StableHash()
        bytes.withUnsafeBufferPointer { hash.add($0) }
        let number = Int64(bitPattern: hash.value)
        findBody.bind(1, number)
        findBody.bind(2, blob: bytes)
        var id: Int64?
        if try findBody.step() { id = findBody.int(0) }
        findBody.reset()
        if id == nil {
            insertBody.bind(1, number)
            insertBody.bind(2, blob: bytes)
            if try insertBody.step() { id = insertBody.int(0) }
            insertBody.reset()
        }
        guard let id else { return nil }
        let body = SharedBody(id: id, bytes: bytes)
        lastBody = body
        bodyRefs[id, default: 0] += 1
        return body
    }

    /// A row that named a body is gone.
    func releaseBody(_ id: Int64) { bodyRefs[id, default: 0] -= 1 }
}
