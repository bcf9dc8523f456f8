package import NIOCore

/// What a translation gets besides the client's request, because the request alone is not enough.
package struct ChatSupplements: Sendable {
    /// Notes that the history lacks, by call id; what is not here is not known.
    package var reasoning: [String: String] = [:]
    /// What `remoteMedia` named, by address; every address is here.
    package var media: [String: RemoteMedia] = [:]

    package init() {}
}

/// A picture or file that a request refers to, fetched.
package struct RemoteMedia: Sendable, Equatable {
    /// Lower case, without parameters.
    package var mediaType: String
    package var bytes: ByteBuffer

    package init(mediaType: String, bytes: ByteBuffer) {
        self.mediaType = mediaType
        self.bytes = bytes
    }

    /// The bytes in base64.
    package var base64: String { bytes.withUnsafeReadableBytes { Base64Text.encode($0) } }
}
