/// What a port with TLS shows to its clients: read once by whoever starts the processes, and handed to them by value.
package struct TLSIdentity: Sendable, Equatable {
    /// PEM text: the server's certificate first, then those that lead to a root.
    package var certificateChain: [UInt8]
    /// PEM text of the private key.
    package var privateKey: Secret<[UInt8]>

    package init(certificateChain: [UInt8], privateKey: Secret<[UInt8]>) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }

    package static func == (left: TLSIdentity, right: TLSIdentity) -> Bool {
        left.certificateChain == right.certificateChain && left.privateKey.reveal() == right.privateKey.reveal()
    }
}

extension TLSIdentity {
    package func encode(into out: inout TaggedWriter) {
        out.write(1, bytes: certificateChain)
        out.write(2, bytes: privateKey.reveal())
    }

    package init(decoding reader: TaggedReader) {
        self.init(certificateChain: [], privateKey: Secret([]))
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: certificateChain = field.array
            case 2: privateKey = Secret(field.array)
            default: break
            }
        }
    }
}
