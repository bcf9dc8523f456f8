/// Why bytes are not an HTTP/1.1 message this gateway is willing to read.
///
/// Everything ambiguous is refused, never guessed: two readers that disagree about where a message ends are how
/// requests are smuggled. After any of these the connection cannot be used further.
/// - Source: RFC 9112 (message syntax, §11.2 request smuggling), RFC 9110 §5 (fields) · documented
package enum HTTP1Error: Error, Equatable, Sendable, CaseIterable {
    case badStartLine, badMethod, badTarget, badVersion, badStatus
    case badFieldName, badFieldValue, obsoleteFolding, bareLineFeed
    case conflictingLength, badLength, lengthWithTransferEncoding, unsupportedTransferEncoding
    case missingHost, duplicateHost, badHost
    case headTooLarge, tooManyFields
    case badChunkSize, badChunkExtension, badChunkEnd, badTrailer
    case bodyTooLarge
    /// The connection ended inside a message.
    case unexpectedEnd

    /// One English phrase for the log and for the text of a 400 answer; it never quotes the peer's bytes.
    package var reason: String {
        switch self {
        case .badStartLine: "malformed start line"
        case .badMethod: "malformed method"
        case .badTarget: "request target is not in origin form"
        case .badVersion: "unsupported HTTP version"
        case .badStatus: "malformed status code"
        case .badFieldName: "malformed header field name"
        case .badFieldValue: "forbidden character in a header field value"
        case .obsoleteFolding: "header field continues on a second line"
        case .bareLineFeed: "line feed without carriage return"
        case .conflictingLength: "more than one Content-Length"
        case .badLength: "malformed Content-Length"
        case .lengthWithTransferEncoding: "both Content-Length and Transfer-Encoding"
        case .unsupportedTransferEncoding: "Transfer-Encoding is not exactly chunked"
        case .missingHost: "no Host header field"
        case .duplicateHost: "more than one Host header field"
        case .badHost: "malformed Host header field"
        case .headTooLarge: "header section too large"
        case .tooManyFields: "too many header fields"
        case .badChunkSize: "malformed chunk size"
        case .badChunkExtension: "malformed or oversized chunk extension"
        case .badChunkEnd: "chunk does not end where its size says"
        case .badTrailer: "malformed or oversized trailer section"
        case .bodyTooLarge: "message body too large"
        case .unexpectedEnd: "connection closed inside a message"
        }
    }
}
