// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import PluginABI
import QueueCore
import RecipientDirectory

/// `hostd.recipients/1`: reads on the plugin's loop (a few microseconds), writes on a thread of their own.
final class RecipientService {
    let plugin: PluginName
    let writer: DatabaseThread<RecipientWriter>
    private let path: String
    private let loop: any EventLoop
    private var openReader: RecipientReader?
    private var isSnapshot = false

    init(path: String, plugin: PluginName, loop: any EventLoop) {
        self.path = path
        self.plugin = plugin
        self.loop = loop
        writer = DatabaseThread("hostd.recipients", loop: loop) { try RecipientWriter(path: path) }
    }

    /// Opened with the first use; what one turn of the loop reads is of one snapshot.
    ///
    /// Handlers are entered by dozens in a turn, and SQLite's locks for each read alone cost as much as half a read. On
    /// the loop.
    func reader() throws(RecipientDirectoryError) -> RecipientReader {
        let reader = try openedReader()
        if !isSnapshot {
            try reader.beginSnapshot()
            isSnapshot = true
            loop.assumeIsolated().execute { self.endSnapshot() }
        }
        return reader
    }

    private func openedReader() throws(RecipientDirectoryError) -> RecipientReader {
        if let openReader { return openReader }
        let reader = try RecipientReader(path: path)
        openReader = reader
        return reader
    }

    /// A change that a plugin has an answer to must be seen by what it reads then.
    ///
    /// On the loop.
    func endSnapshot() {
        isSnapshot = false
        openReader?.endSnapshot()
    }

    static func status(of error: any Error) -> Int32 {
        switch error as? RecipientDirectoryError {
        case .stale: HOSTD_E_STALE
        case .invalid, .badCursor: HOSTD_E_INVAL
        case .diskFull, .busy: HOSTD_E_IO
        default: HOSTD_E_FAIL
        }
    }
}

// All [serial].
extension PluginInstance {
    func recipientsPage(
        _ site: hostd_site,
        _ job: hostd_token,
        _ author: hostd_str,
        _ after: hostd_str,
        _ maxRows: UInt32,
        _ function: hostd_page_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        let limit = maxRows == 0 ? 500 : Int(min(maxRows, HOSTD_MAX_ROWS))
        return readRecipients(site, job, function, user) { name, inline in
            let author = author.isEmpty ? nil : author.text
            let page =
                if let inline {
                    try inline.page(author: author, after: after.array, limit: limit)
                } else {
                    try recipients.reader().page(
                        name,
                        recipients.plugin,
                        author: author,
                        after: after.array,
                        limit: limit
                    )
                }
            return (page.rows, page.next)
        }
    }

    func recipientsGet(
        _ site: hostd_site,
        _ job: hostd_token,
        _ author: hostd_str,
        _ target: hostd_str,
        _ function: hostd_page_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        readRecipients(site, job, function, user) { name, inline in
            let rows =
                if let inline {
                    inline.get(author: author.text, target: target.text)
                } else {
                    try recipients.reader().get(name, recipients.plugin, author: author.text, target: target.text)
                }
            return (rows, [])
        }
    }

    /// Reads now, calls back later.
    private func readRecipients(
        _ site: hostd_site,
        _ job: hostd_token,
        _ function: hostd_page_fn?,
        _ user: UnsafeMutableRawPointer?,
        _ read: (SiteName, InlineRecipients?) throws -> (rows: [Recipient], next: [UInt8])
    ) -> hostd_op {
        guard let function else { return hostd_op(HOSTD_E_INVAL) }
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        guard let name = siteTable[site]?.nickname else { return hostd_op(HOSTD_E_STALE) }
        guard job == 0 || deliveries[job] != nil else { return hostd_op(HOSTD_E_STALE) }
        let op = operations.insert(PlainOperation(site: site))
        guard op > 0 else { return op }
        let result = Result { try read(name, try inlineRecipients(of: job)) }
        answerLater(op) {
            switch result {
            case .success(let page):
                RecipientRows.place(page.rows, page.next) { rows, next in
                    function(
                        user,
                        op,
                        HOSTD_OK,
                        rows.baseAddress,
                        MemoryLayout<hostd_recipient>.stride,
                        rows.count,
                        next
                    )
                }
            case .failure(let error):
                self.tellFailure("recipients can't be read", error, name)
                function(
                    user,
                    op,
                    RecipientService.status(of: error),
                    nil,
                    MemoryLayout<hostd_recipient>.stride,
                    0,
                    .empty
                )
            }
        }
        return op
    }

    /// What the job's frame brings along for this plugin; looked for once per delivery.
    private func inlineRecipients(of job: hostd_token) throws -> InlineRecipients? {
        guard job != 0, let call = deliveries[job] else { return nil }
        if let known = call.inlineRecipients { return known }
        var found = try InlineRecipients.parse(call.job.pointee.payload.bytes, plugin: recipients.plugin)
        if found == nil {
            found = try InlineRecipients.parse(call.job.pointee.shared.bytes, plugin: recipients.plugin)
        }
        call.inlineRecipients = .some(found)
        return found
    }

    func recipientsPut(
        _ site: hostd_site,
        _ row: UnsafePointer<hostd_recipient>?,
        _ function: hostd_status_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard let row = hostd_recipient.read(row, atLeast: hostd_recipient.end(of: \.target)) else {
            return hostd_op(HOSTD_E_INVAL)
        }
        let recipient = Recipient(
            author: row.author.text,
            target: row.target.text,
            key: row.key.text,
            credentials: row.credentials.text,
            options: row.options.text,
            version: row.version
        )
        let plugin = recipients.plugin
        return writeRecipients(site, function, user) { try $0.put($1, plugin, recipient) }
    }

    func recipientsRemove(
        _ site: hostd_site,
        _ author: hostd_str,
        _ target: hostd_str,
        _ key: hostd_str,
        _ why: hostd_str,
        _ function: hostd_status_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        guard !target.isEmpty else { return hostd_op(HOSTD_E_INVAL) }
        let (plugin, target) = (recipients.plugin, target.text)
        let (author, key) = (author.isEmpty ? nil : author.text, key.isEmpty ? nil : key.text)
        let op = writeRecipients(site, function, user) {
            try $0.remove($1, plugin, author: author, target: target, key: key)
        }
        if op > 0 {
            log.host(
                .info,
                "recipients are removed",
                [
                    "site": "\(siteTable[site]?.nickname.rawValue ?? "")", "target": "\(target)",
                    "why": "\(why.text(limit: 256))",
                ]
            )
        }
        return op
    }

    private func writeRecipients<Value: Sendable>(
        _ site: hostd_site,
        _ function: hostd_status_fn?,
        _ user: UnsafeMutableRawPointer?,
        _ write: @escaping @Sendable (RecipientWriter, SiteName) throws -> Value
    ) -> hostd_op {
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        guard let name = siteTable[site]?.nickname else { return hostd_op(HOSTD_E_STALE) }
        let op = operations.insert(PlainOperation(site: site))
        guard op > 0 else { return op }
        recipients.writer.run({ try write($0, name) }) { result in
            self.recipients.endSnapshot()
            guard self.operations.finish(op) else { return }
            var status = HOSTD_OK
            if case .failure(let error) = result {
                status = RecipientService.status(of: error)
                if status != HOSTD_E_STALE { self.tellFailure("recipients can't be changed", error, name) }
            }
            if let function { self.callBack { function(user, op, status) } }
        }
        return op
    }

    func tellFailure(_ what: String, _ error: any Error, _ site: SiteName) {
        log.host(.warning, "\(what)", ["site": "\(site)", "error": "\(error)"])
    }
}

/// Rows as C reads them, for the length of a callback.
enum RecipientRows {
    static func place(
        _ recipients: [Recipient],
        _ next: [UInt8],
        _ body: (UnsafeBufferPointer<hostd_recipient>, hostd_str) -> Void
    ) {
        let size = recipients.reduce(next.count) { $0 + byteCount($1) }
        withUnsafeTemporaryAllocation(byteCount: max(size, 1), alignment: 1) { bytes in
            withUnsafeTemporaryAllocation(of: hostd_recipient.self, capacity: max(recipients.count, 1)) { rows in
                var offset = 0
                func place(_ text: some Collection<UInt8>, _ count: Int) -> hostd_str {
                    let target = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
                    target.copyBytes(from: text)
                    offset += count
                    return hostd_str(
                        ptr: UnsafePointer(target.baseAddress?.assumingMemoryBound(to: CChar.self)),
                        len: count
                    )
                }
                func place(_ text: String) -> hostd_str { place(text.utf8, text.utf8.count) }
                for (index, row) in recipients.enumerated() {
                    rows.initializeElement(
                        at: index,
                        to: hostd_recipient(
                            struct_size: UInt32(MemoryLayout<hostd_recipient>.size),
                            flags: 0,
                            version: row.version,
                            author: place(row.author),
                            target: place(row.target),
                            key: place(row.key),
                            credentials: place(row.credentials),
                            options: place(row.options)
                        )
                    )
                }
                body(UnsafeBufferPointer(rebasing: rows[..<recipients.count]), place(next, next.count))
            }
        }
    }

    private static func byteCount(_ row: Recipient) -> Int {
        row.author.utf8.count + row.target.utf8.count + row.key.utf8.count + row.credentials.utf8.count
            + row.options.utf8.count
    }
}
