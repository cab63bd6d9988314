// SPDX-License-Identifier: Apache-2.0
import Control

/// `queuectl sites` for people.
struct SitesView {
    let sites: [JSONValue]

    func rendered(in terminal: Terminal) -> String {
        guard !sites.isEmpty else { return terminal.paint("sites.d holds no site.", .dim) + "\n" }
        var table = Table([
            .init(title: "SITE"), .init(title: "SERVER", cut: .middle), .init(title: "STATE"), .init(title: "PLUGINS"),
            .init(title: "ERROR", cut: .end),
        ])
        for site in sites {
            let error = site["error"]?.string
            table.add([
                .init(site["nickname"]?.string), .init(site["server"]?.string),
                .init(site["state"]?.string, error == nil ? .good : .bad),
                .init((site["plugins"]?.array ?? []).compactMap(\.string).joined(separator: " ")), .init(error, .bad),
            ])
        }
        return table.rendered(in: terminal)
    }
}
