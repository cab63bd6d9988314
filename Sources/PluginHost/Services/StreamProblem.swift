// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import NIOSSL
import PluginABI

/// Why a stream failed: as the ABI has it, and in words for an operator.
struct StreamProblem {
    let status: Int32
    let words: String

    /// `name`: What the certificate was checked against.
    init(_ error: any Error, name: String) {
        switch error {
        case is AddressGuard.Refusal: (status, words) = (HOSTD_E_DENIED, "the address is a private one")
        case ChannelError.connectTimeout: (status, words) = (HOSTD_E_TIMEOUT, "no connection in time")
        case let error as NIOConnectionError:
            let errors = error.connectionErrors.map(\.error)
            if errors.contains(where: { if case ChannelError.connectTimeout = $0 { true } else { false } }) {
                (status, words) = (HOSTD_E_TIMEOUT, "no connection in time")
            } else if let last = errors.last {
                (status, words) = (HOSTD_E_IO, "no connection: \(last)")
            } else {
                (status, words) = (HOSTD_E_IO, "the host's name isn't known: \(error)")
            }
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            (status, words) = (HOSTD_E_IO, "the server's certificate is for another name than \(name)")
        default:
            status = HOSTD_E_IO
            let text = "\(error)"
            // The library tells no more than this.
            words =
                text.contains("CERTIFICATE_VERIFY_FAILED")
                ? "the server's certificate is not to be trusted: over, signed by itself, or by an unknown authority"
                : text
        }
    }
}
