// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// A call that the host refused or couldn't carry out.
public struct HostError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong.
    ///
    /// More may be added.
    public struct Code: Sendable, Hashable {
        let value: Int32
        /// As the ABI has it.
        package var status: Int32 { value }

        /// Anything that has no code of its own; the host's log knows more.
        public static let failed = Code(value: HOSTD_E_FAIL)
        /// An argument isn't allowed.
        public static let invalid = Code(value: HOSTD_E_INVAL)
        /// The item, site, operation or version is over.
        public static let stale = Code(value: HOSTD_E_STALE)
        /// The host or the site is shutting down.
        public static let closed = Code(value: HOSTD_E_CLOSED)
        /// Over a quota: ask for less, or later.
        public static let overLimit = Code(value: HOSTD_E_LIMIT)
        /// There is no such thing.
        public static let notFound = Code(value: HOSTD_E_NOTFOUND)
        /// It took too long.
        public static let timeout = Code(value: HOSTD_E_TIMEOUT)
        /// Disk or network failed.
        public static let io = Code(value: HOSTD_E_IO)
        /// This host lacks the service.
        public static let unsupported = Code(value: HOSTD_E_UNSUPPORTED)
        /// The operator's policy forbids it.
        public static let denied = Code(value: HOSTD_E_DENIED)
        /// The handler's task was cancelled while it waited.
        public static let cancelled = Code(value: .min)
    }

    /// What went wrong.
    public let code: Code
    /// What was asked of the host, in words.
    public let operation: String
    /// Why, in words, where the host told them; else empty.
    public let reason: String

    init(_ code: Code, _ operation: String, reason: String = "") {
        self.code = code
        self.operation = operation
        self.reason = reason
    }

    init(status: Int32, _ operation: String, reason: String = "") {
        self.init(Code(value: status), operation, reason: reason)
    }

    /// One sentence for a log.
    public var description: String {
        guard reason.isEmpty else { return "\(operation): \(reason)" }
        let cause =
            switch code {
            case .invalid: "an argument isn't allowed"
            case .stale: "it is over, or has changed meanwhile"
            case .closed: "the host or the site is shutting down"
            case .overLimit: "over a limit of the host"
            case .notFound: "not found"
            case .timeout: "timed out"
            case .io: "input or output failed"
            case .unsupported: "not offered by this host"
            case .denied: "forbidden by the operator's policy"
            case .cancelled: "cancelled"
            default: "failed (status \(code.value)); the host's log has the details"
            }
        return "\(operation): \(cause)"
    }
}
