// SPDX-License-Identifier: Apache-2.0
import Glibc
import PluginABI
import PluginFiles
import QueueCore

/// Copies a plugin's table out of C and judges it, so that nothing later need look at the plugin's memory for a name.
///
/// Unsafe throughout: it follows the pointers that a plugin gives. A wild one is SIGSEGV, which is why a probe process reads
/// the table first. Fields of ABI 1.0 are there once struct_size says so; a later field must be asked for by its own size.
struct DescriptorReader {
    /// Bytes; a larger struct_size is garbage, not a header of the future.
    static let largestStruct = 4096

    static func read(_ table: UnsafePointer<hostd_plugin>, note: PluginNote) throws(PluginLoadError) -> PluginDescriptor
    {
        try check(
            size: table.pointee.struct_size,
            of: "plugin table",
            atLeast: MemoryLayout<hostd_plugin>.size(through: \.reserved1)
        )
        let id = try text(table.pointee.id, of: "plugin table: id", limit: 64)
        guard id == note.id else { throw .id(found: id, wanted: note.id) }
        try checkFunctions(table)
        let handlers = try self.handlers(table)
        return PluginDescriptor(
            id: id,
            version: note.version,
            abi: note.abi,
            handlers: handlers,
            configKeys: try configKeys(table),
            outputs: try outputs(table, handlers)
        )
    }

    private static func checkFunctions(_ table: UnsafePointer<hostd_plugin>) throws(PluginLoadError) {
        let required = [
            ("init", table.pointee.`init` != nil), ("shutdown", table.pointee.shutdown != nil),
            ("site_open", table.pointee.site_open != nil), ("site_drain", table.pointee.site_drain != nil),
            ("site_close", table.pointee.site_close != nil),
        ]
        if let missing = required.first(where: { !$0.1 }) { throw .missingFunction("plugin table: \(missing.0)") }
    }

    // MARK: Handlers

    private static func handlers(_ table: UnsafePointer<hostd_plugin>) throws(PluginLoadError) -> [HandlerDescriptor] {
        let count = table.pointee.handler_count
        guard (1...64).contains(count) else { throw .count(of: "handlers", found: count, wanted: 1...64) }
        guard let pointers = table.pointee.handlers else { throw .count(of: "handlers", found: 0, wanted: 1...64) }
        var handlers: [HandlerDescriptor] = []
        for index in 0..<Int(count) {
            guard let pointer = pointers[index] else { throw .text(of: "handler \(index + 1)") }
            let handler = try handler(pointer, "handler \(index + 1)")
            guard !handlers.contains(where: { $0.queue == handler.queue }) else {
                throw .twice("handlers: queue", found: handler.queue.rawValue)
            }
            handlers.append(handler)
        }
        return handlers
    }

    private static func handler(
        _ pointer: UnsafePointer<hostd_handler>,
        _ place: String
    ) throws(PluginLoadError) -> HandlerDescriptor {
        try check(
            size: pointer.pointee.struct_size,
            of: place,
            atLeast: MemoryLayout<hostd_handler>.size(through: \.cancel)
        )
        guard pointer.pointee.handle != nil else { throw .missingFunction("\(place): handle") }
        let queue: QueueName = try name(pointer.pointee.queue, of: "\(place): queue")
        guard queue != .notice else { throw .hostsOwn("\(place): queue", found: queue.rawValue) }
        let group: GroupName =
            pointer.pointee.group == nil ? .main : try name(pointer.pointee.group, of: "\(place): group")
        let flags = pointer.pointee.flags
        return HandlerDescriptor(
            queue: queue,
            group: group,
            takesNotices: flags & HOSTD_HF_NOTICE != 0,
            takesDeletes: flags & HOSTD_HF_DELETE != 0,
            isSingleton: flags & HOSTD_HF_SINGLETON != 0,
            isOrdered: flags & HOSTD_HF_ORDERED != 0,
            maxInFlight: max(1, Int(pointer.pointee.max_in_flight)),
            timeoutMs: Int(pointer.pointee.timeout_ms),
            maxAttempts: Int(pointer.pointee.max_attempts)
        )
    }

    // MARK: Outputs

    private static func outputs(
        _ table: UnsafePointer<hostd_plugin>,
        _ handlers: [HandlerDescriptor]
    ) throws(PluginLoadError) -> [QueueName] {
        let count = table.pointee.output_count
        guard count > 0 else { return [] }
        guard count <= 64, let pointers = table.pointee.outputs else {
            throw .count(of: "outputs", found: count, wanted: 0...64)
        }
        var outputs: [QueueName] = []
        for index in 0..<Int(count) {
            let queue: QueueName = try name(pointers[index], of: "output \(index + 1)")
            guard queue != .notice else { throw .hostsOwn("output \(index + 1)", found: queue.rawValue) }
            guard !outputs.contains(queue), !handlers.contains(where: { $0.queue == queue }) else {
                throw .twice("outputs and handlers: queue", found: queue.rawValue)
            }
            outputs.append(queue)
        }
        return outputs
    }

    // MARK: Config keys

    private static func configKeys(_ table: UnsafePointer<hostd_plugin>) throws(PluginLoadError) -> [ConfigKey] {
        let count = table.pointee.config_key_count
        guard count > 0 else { return [] }
        guard count <= 256, let first = table.pointee.config_keys else {
            throw .count(of: "config keys", found: count, wanted: 0...256)
        }
        let base = MemoryLayout<hostd_config_key>.size(through: \.help)
        // A header of the future has longer elements: its stride, not our struct's size, leads to the next.
        let stride = table.pointee.config_key_stride
        try check(size: stride, of: "config keys: stride", atLeast: base)
        var keys: [ConfigKey] = []
        for index in 0..<Int(count) {
            let element = UnsafeRawPointer(first).advanced(by: index * Int(stride))
            let key = try configKey(element.assumingMemoryBound(to: hostd_config_key.self), index, base: base)
            guard !keys.contains(where: { $0.name == key.name }) else { throw .twice("config keys", found: key.name) }
            keys.append(key)
        }
        return keys
    }

    private static func configKey(
        _ pointer: UnsafePointer<hostd_config_key>,
        _ index: Int,
        base: Int
    ) throws(PluginLoadError) -> ConfigKey {
        let place = "config key \(index + 1)"
        try check(size: pointer.pointee.struct_size, of: place, atLeast: base)
        let name = try text(pointer.pointee.name, of: "\(place): name", limit: 65)
        guard isLegal(key: name) else { throw .name(of: place, found: name) }
        guard name != "enabled" else { throw .hostsOwn(place, found: name) }
        guard let kind = kind(pointer.pointee.type) else { throw .keyType(key: name, found: pointer.pointee.type) }
        let (value, help) = (pointer.pointee.default_value, pointer.pointee.help)
        let key = ConfigKey(
            name: name,
            kind: kind,
            isRequired: pointer.pointee.flags & HOSTD_KF_REQUIRED != 0,
            isSecret: pointer.pointee.flags & HOSTD_KF_SECRET != 0,
            defaultValue: value == nil ? nil : try text(value, of: "config key \(name): default", limit: 65_536),
            help: help == nil ? "" : try text(help, of: "config key \(name): help", limit: 4096)
        )
        try checkDefault(key)
        return key
    }

    private static func checkDefault(_ key: ConfigKey) throws(PluginLoadError) {
        guard let value = key.defaultValue else { return }
        switch key.kind {
        case .int where Int64(value) == nil: throw .keyDefault(key: key.name, found: value, wanted: "a whole number")
        case .bool where value != "true" && value != "false":
            throw .keyDefault(key: key.name, found: value, wanted: "true or false")
        default: break
        }
    }

    private static func kind(_ type: UInt32) -> ConfigKey.Kind? {
        switch type {
        case HOSTD_KEY_STRING: .string
        case HOSTD_KEY_INT: .int
        case HOSTD_KEY_BOOL: .bool
        case HOSTD_KEY_LIST: .list
        default: nil
        }
    }

    /// `[a-z][a-z0-9_]*`, at most 64: dots are for the host's own keys ("site.nickname").
    private static func isLegal(key: String) -> Bool {
        let bytes = key.utf8
        guard let first = bytes.first, bytes.count <= 64, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first) else {
            return false
        }
        return bytes.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }

    // MARK: C values

    private static func check(size: UInt32, of what: String, atLeast base: Int) throws(PluginLoadError) {
        guard size >= base, size <= largestStruct else { throw .size(of: what, found: size, wanted: base) }
    }

    private static func name<Name: CheckedName>(
        _ pointer: UnsafePointer<CChar>?,
        of what: String
    ) throws(PluginLoadError) -> Name {
        let text = try text(pointer, of: what, limit: 65)
        guard let name = Name(text) else { throw .name(of: what, found: text) }
        return name
    }

    /// `limit` bounds the search for the NUL.
    private static func text(
        _ pointer: UnsafePointer<CChar>?,
        of what: String,
        limit: Int
    ) throws(PluginLoadError) -> String {
        guard let pointer else { throw .text(of: what) }
        let count = strnlen(pointer, limit)
        let bytes = UnsafeRawBufferPointer(start: pointer, count: count)
        guard count < limit, let text = String(validating: bytes, as: UTF8.self) else { throw .text(of: what) }
        return text
    }
}

extension MemoryLayout {
    /// The size of a struct that ends with `field`, as it was in the ABI's minor that had it last.
    static func size<Field>(through field: KeyPath<T, Field>) -> Int {
        guard let offset = offset(of: field) else { preconditionFailure("a C struct's field has an offset") }
        return offset + MemoryLayout<Field>.size
    }
}
