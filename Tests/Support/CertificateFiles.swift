// SPDX-License-Identifier: Apache-2.0

/// An authority of a test's own, and certificates by it for one name, made by openssl.
package struct CertificateFiles: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case good
        /// By the authority, for another name.
        case otherName
        /// By the authority, and over.
        case expired
        /// Signed by itself alone.
        case selfSigned
    }

    /// Paths of PEM files.
    package struct Pair: Sendable {
        package let certificate: String
        package let key: String
    }

    private let directory: TemporaryDirectory

    /// The authority's certificate, for `ca_file`.
    package var authority: String { directory.file("ca.pem") }

    package subscript(kind: Kind) -> Pair {
        Pair(certificate: directory.file("\(kind).pem"), key: directory.file("\(kind).key"))
    }

    package init(for name: String) async throws {
        directory = try TemporaryDirectory()
        try await openssl(
            ["req", "-x509"] + Self.newKey + [
                "-keyout", file("ca.key"), "-out", authority, "-subj", "/CN=tests", "-days", "2",
            ]
        )
        let alone = self[.selfSigned]
        try await openssl(
            ["req", "-x509"] + Self.newKey + [
                "-keyout", alone.key, "-out", alone.certificate, "-subj", "/CN=\(name)",
                "-addext", "subjectAltName=DNS:\(name)", "-days", "2",
            ]
        )
        try await sign(.good, name, days: 2)
        try await sign(.expired, name, days: -1)
        try await sign(.otherName, "other.\(name)", days: 2)
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    private func file(_ name: String) -> String { directory.file(name) }

    private func sign(_ kind: Kind, _ name: String, days: Int) async throws {
        let names = try directory.write("subjectAltName=DNS:\(name)\n", to: "\(kind).names")
        let request = file("\(kind).csr")
        try await openssl(
            ["req"] + Self.newKey + ["-keyout", self[kind].key, "-out", request, "-subj", "/CN=\(name)"]
        )
        try await openssl([
            "x509", "-req", "-in", request, "-CA", authority, "-CAkey", file("ca.key"), "-CAcreateserial",
            "-days", "\(days)", "-extfile", names, "-out", self[kind].certificate,
        ])
    }

    private func openssl(_ arguments: [String]) async throws {
        let result = try await ProcessRunner.run("openssl", arguments)
        guard result.exit == .status(0) else {
            throw TestSupportError.cannotCreate("a certificate", reason: result.errors)
        }
    }
}
