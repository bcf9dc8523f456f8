/// Why a binary event stream cannot be read further.
package enum EventStreamError: Error, Equatable, Sendable {
    /// The lengths at a frame's beginning contradict each other or do not match their checksum.
    case malformedPrelude
    /// One frame is longer than the parser's limit.
    case frameTooLarge
    /// A frame's bytes do not match its checksum.
    case wrongChecksum
    /// A frame's headers are not what their lengths and types say.
    case malformedHeaders
}
