// SPDX-License-Identifier: Apache-2.0
import Stomp
import TestSupport
import Testing

@Suite struct ReceiptOrderTests {
    @Test("A receipt waits for all work before it, with or without a receipt")
    func order() {
        var order = ReceiptOrder()
        let first = order.begin(receipt: "r1")
        let second = order.begin(receipt: nil)
        let third = order.begin(receipt: "r3")
        order.complete(third)
        #expect(order.next() == nil)
        order.complete(first)
        #expect(order.next() == "r1")
        #expect(order.next() == nil)
        order.complete(second)
        #expect(order.next() == "r3")
        #expect(order.next() == nil)
        #expect(order.count == 0)
    }

    @Test("Completing twice is harmless")
    func twice() {
        var order = ReceiptOrder()
        let first = order.begin(receipt: "r1")
        order.complete(first)
        #expect(order.next() == "r1")
        let second = order.begin(receipt: "r2")
        order.complete(first)
        #expect(order.next() == nil)
        order.complete(second)
        order.complete(second)
        #expect(order.next() == "r2")
        #expect(order.next() == nil)
    }

    @Test("Whatever the order of completion, receipts come out in order of arrival")
    func randomOrder() {
        var random = SeededRandom()
        for _ in 0..<100 {
            var order = ReceiptOrder()
            let receipts = (0..<50).map { Bool.random(using: &random) ? "r\($0)" : nil }
            var open = receipts.map { order.begin(receipt: $0) }.shuffled(using: &random)
            var released: [String] = []
            while let ticket = open.popLast() {
                order.complete(ticket)
                while let receipt = order.next() { released.append(receipt) }
            }
            #expect(released == receipts.compactMap { $0 })
            #expect(order.count == 0)
        }
    }
}
