/// Why an event stream cannot be read further.
package enum SSEError: Error, Equatable, Sendable {
    /// One event grew beyond the parser's limit.
    case eventTooLarge
}
