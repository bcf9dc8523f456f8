import GatewayCore
import NIOCore
import Providers

/// Pictures and files that a planned call refers to and its provider wants inside the request, while they are not there.
struct AwaitedMedia: Sendable {
    /// Each once.
    let addresses: [String]
    let reading: CompatReading
    /// What else the call needs, and has.
    let supplements: ChatSupplements

    /// Addresses in one request · assumed.
    static let limit = 32

    /// What stands for each of them in a call that is not sent.
    static let placeholder = RemoteMedia(mediaType: "image/png", bytes: ByteBuffer())

    /// - Errors: `.badChatCompletion` for more addresses than one request may have.
    init(
        _ addresses: [String], _ reading: CompatReading, _ supplements: ChatSupplements
    ) throws(GatewayError) {
        var seen: Set<String> = []
        self.addresses = addresses.filter { seen.insert($0).inserted }
        self.reading = reading
        self.supplements = supplements
        guard self.addresses.count <= Self.limit else {
            throw MediaFetch.refusal("at most \(Self.limit) addresses of images can be fetched for one request")
        }
    }
}
