// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// A fair turn: each member comes up once before any comes up twice.
///
/// Sites take turns within a queue, so that a site with a million items waiting doesn't delay a site with one.
package struct Rotation<Member: Hashable> {
    private var order = Deque<Member>()
    private var members: Set<Member> = []

    package init() {}

    package var count: Int { members.count }
    package var isEmpty: Bool { members.isEmpty }
    package func contains(_ member: Member) -> Bool { members.contains(member) }

    /// Adds a member at the end; one that is in already keeps its turn.
    package mutating func add(_ member: Member) {
        if members.insert(member).inserted { order.append(member) }
    }

    /// The member whose turn it is; it goes to the end.
    package mutating func next() -> Member? {
        guard let member = order.popFirst() else { return nil }
        order.append(member)
        return member
    }

    /// Takes out the member that `next` returned last, where it has nothing (any more).
    package mutating func removeLast() {
        if let member = order.popLast() { members.remove(member) }
    }
}
