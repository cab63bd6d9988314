// SPDX-License-Identifier: Apache-2.0
import PluginABI

/// A host of one thread for one plugin: answers from a dictionary, keeps what is staged.
final class RecordingHost {
    var config: [String: String]
    private(set) var staged: [(queue: String, payload: String, target: String)] = []
    private(set) var drained: [hostd_site] = []
    /// Staging fails from so many items on.
    var stageLimit = Int.max
    let table = UnsafeMutablePointer<hostd_host>.allocate(capacity: 1)
    /// Values live as long as the snapshot, which is as long as this host.
    private var texts: [String: UnsafeMutableBufferPointer<CChar>] = [:]

    init(config: [String: String]) {
        self.config = config
        table.initialize(to: hostd_host())
        table.pointee.struct_size = UInt32(MemoryLayout<hostd_host>.size)
        table.pointee.abi_major = UInt16(HOSTD_ABI_MAJOR)
        table.pointee.impl = Unmanaged.passUnretained(self).toOpaque()
        table.pointee.config_get = { host, _, key, value in
            guard let text = RecordingHost.of(host).value(key.string) else { return HOSTD_E_NOTFOUND }
            value?.pointee = text
            return HOSTD_OK
        }
        table.pointee.stage = { host, _, items, stride, count in
            guard stride == MemoryLayout<hostd_item>.size else { return HOSTD_E_INVAL }
            let host = RecordingHost.of(host)
            guard host.staged.count + count <= host.stageLimit else { return HOSTD_E_LIMIT }
            for item in UnsafeBufferPointer(start: items, count: count) {
                host.staged.append((item.queue.string, item.payload.string, item.target.string))
            }
            return HOSTD_OK
        }
        table.pointee.drained = { host, site in
            RecordingHost.of(host).drained.append(site)
            return HOSTD_OK
        }
    }

    deinit {
        table.deallocate()
        for text in texts.values { text.deallocate() }
    }

    private static func of(_ host: UnsafePointer<hostd_host>?) -> RecordingHost {
        guard let impl = host?.pointee.impl else { preconditionFailure("a plugin passes the host that it got") }
        return Unmanaged<RecordingHost>.fromOpaque(impl).takeUnretainedValue()
    }

    private func value(_ key: String) -> hostd_str? {
        guard let text = config[key] else { return nil }
        let bytes = UnsafeMutableBufferPointer<CChar>.allocate(capacity: text.utf8.count)
        _ = bytes.initialize(from: text.utf8.map { CChar(bitPattern: $0) })
        texts.updateValue(bytes, forKey: "\(key) \(texts.count)")
        return hostd_str(ptr: UnsafePointer(bytes.baseAddress), len: bytes.count)
    }
}

extension hostd_str {
    var string: String {
        guard let ptr else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: ptr, count: len), as: UTF8.self)
    }

    /// `body` gets a slice that is valid until it returns.
    static func with<Result>(_ text: String, _ body: (hostd_str) -> Result) -> Result {
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { body(hostd_str(ptr: $0.baseAddress, len: $0.count)) }
        }
    }
}
