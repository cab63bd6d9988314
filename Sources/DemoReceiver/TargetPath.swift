// SPDX-License-Identifier: Apache-2.0

/// `/omb/N/postnotice` or `/omb/N/updateprofile`, with or without a query.
struct TargetPath {
    static let protocolVersion = "http://openmicroblogging.org/protocol/0.1"

    let number: Int

    init?(_ uri: String) {
        let path = uri.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false)
        guard path.count == 4, path[0].isEmpty, path[1] == "omb", let number = Int(path[2]),
            path[3] == "postnotice" || path[3] == "updateprofile"
        else { return nil }
        self.number = number
    }
}
