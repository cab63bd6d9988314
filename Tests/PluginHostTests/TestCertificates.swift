// SPDX-License-Identifier: Apache-2.0
import NIOSSL
import TestSupport

/// Certificates for `good.example`, made once for all tests.
actor TestCertificates {
    private static let shared = TestCertificates()

    private var made: Task<CertificateFiles, any Error>?

    /// The authority's certificate, for `ca_file`.
    static func authority() async throws -> String { try await shared.files().authority }

    static func serverContext(_ kind: CertificateFiles.Kind) async throws -> NIOSSLContext {
        let pair = try await shared.files()[kind]
        let chain = try NIOSSLCertificate.fromPEMFile(pair.certificate).map { certificate in
            NIOSSLCertificateSource.certificate(certificate)
        }
        let key = try NIOSSLPrivateKey(file: pair.key, format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
        )
    }

    private func files() async throws -> CertificateFiles {
        let making = made ?? Task { try await CertificateFiles(for: "good.example") }
        made = making
        return try await making.value
    }
}
