import Foundation
import NIOSSL
import TestKit

/// A certificate authority of the test's own, made with the `openssl` program in a temporary folder.
struct TestAuthority {
    let folder: URL
    var rootsFile: String { folder.appendingPathComponent("ca.pem").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("upstream-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try run([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority",
        ])
    }

    /// A server's TLS with a certificate for `names`, in the form `DNS:host` or `IP:address`.
    func server(for names: String, protocols: [String] = ["http/1.1"]) throws -> NIOSSLContext {
        let extensions = folder.appendingPathComponent("ext")
        try "subjectAltName=\(names)\n".write(to: extensions, atomically: true, encoding: .utf8)
        try run([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key",
            "-out", "server.csr", "-subj", "/CN=server",
        ])
        try run([
            "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "server.pem",
        ])
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(folder.appendingPathComponent("server.pem").path)
                .map { .certificate($0) },
            privateKey: .privateKey(
                try NIOSSLPrivateKey(file: folder.appendingPathComponent("server.key").path, format: .pem)
            )
        )
        configuration.applicationProtocols = protocols
        return try NIOSSLContext(configuration: configuration)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    private func run(_ arguments: [String]) throws {
        try TestProgram.run([try TestProgram.path(of: "openssl")] + arguments, directory: folder.path)
    }
}
