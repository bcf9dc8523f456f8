package import GatewayCore
import NIOCore
package import NIOSSL

extension TLSIdentity {
    /// What is wrong with the two texts.
    package enum Flaw: Error, Equatable {
        case certificate
        case privateKey
        /// Each is readable by itself, and they are not of one pair, or the library wants neither.
        case pair
    }

    /// How a listener of this product speaks TLS: version 1.2 or later, HTTP/1.1.
    ///
    /// - Errors: which of the texts is at fault; nothing of what they hold.
    package func serverContext() throws(Flaw) -> NIOSSLContext {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMBytes(certificateChain) } catch { throw .certificate }
        if chain.isEmpty { throw .certificate }
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(bytes: privateKey.reveal(), format: .pem) } catch { throw .privateKey }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        // HTTP/2 joins this list together with its codec.
        configuration.applicationProtocols = ["http/1.1"]
        // Idle clients do not answer a goodbye; ending a connection, and with it a process, does not wait long for it.
        configuration.shutdownTimeout = .seconds(1)
        do { return try NIOSSLContext(configuration: configuration) } catch { throw .pair }
    }
}
