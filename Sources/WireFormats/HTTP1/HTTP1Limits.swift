/// How large a head may get before it is refused.
package struct HTTP1Limits: Sendable {
    /// Most bytes of a head, from the start line through the empty line; beyond it `headTooLarge`.
    package var headBytes = 65_536
    /// Most header fields of a head; beyond it `tooManyFields`.
    package var fields = 256

    /// The limits of a production listener: 64 KiB and 256 fields.
    package static let standard = HTTP1Limits()

    package init(headBytes: Int = 65_536, fields: Int = 256) {
        self.headBytes = headBytes
        self.fields = fields
    }
}
