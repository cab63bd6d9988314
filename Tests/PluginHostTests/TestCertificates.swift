// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOSSL
import TestSupport

/// An authority of the tests' own, and certificates by it, made by openssl once for all tests.
actor TestCertificates {
    enum Kind: String {
        /// For `good.example`.
        case good
        /// For `good.example`, and over.
        case expired
        /// For `good.example`, signed by itself alone.
        case selfSigned
    }

    private static let shared = TestCertificates()

    private var made: Task<TemporaryDirectory, any Error>?

    /// The authority's certificate, for `ca_file`.
    static func authority() async throws -> String { try await shared.directory().file("ca.pem") }

    static func serverContext(_ kind: Kind) async throws -> NIOSSLContext {
        let directory = try await shared.directory()
        let chain = try NIOSSLCertificate.fromPEMFile(directory.file("\(kind).pem")).map { certificate in
            NIOSSLCertificateSource.certificate(certificate)
        }
        let key = try NIOSSLPrivateKey(file: directory.file("\(kind).key"), format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
        )
    }

    private func directory() async throws -> TemporaryDirectory {
        let making =
            made
            ?? Task {
                let directory = try TemporaryDirectory()
                try await Self.make(in: directory)
                return directory
            }
        made = making
        return try await making.value
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    private static func make(in directory: TemporaryDirectory) async throws {
        let names = try directory.write("subjectAltName=DNS:good.example\n", to: "names")
        func file(_ name: String) -> String { directory.file(name) }
        try await openssl(
            ["req", "-x509"] + newKey + [
                "-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=tests", "-days", "2",
            ]
        )
        try await openssl(
            ["req", "-x509"] + newKey + [
                "-keyout", file("selfSigned.key"), "-out", file("selfSigned.pem"), "-subj", "/CN=good.example",
                "-addext", "subjectAltName=DNS:good.example", "-days", "2",
            ]
        )
        for (name, days) in [("good", "2"), ("expired", "-1")] {
            try await openssl(
                ["req"] + newKey + [
                    "-keyout", file("\(name).key"), "-out", file("\(name).csr"), "-subj", "/CN=good.example",
                ]
            )
            try await openssl([
                "x509", "-req", "-in", file("\(name).csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"),
                "-CAcreateserial", "-days", days, "-extfile", names, "-out", file("\(name).pem"),
            ])
        }
    }

    private static func openssl(_ arguments: [String]) async throws {
        let result = try await ProcessRunner.run("openssl", arguments)
        guard result.exit == .status(0) else {
            throw TestSupportError.cannotCreate("a certificate", reason: result.errors)
        }
    }
}
