/// Times and bounds of keeping and sharing answers.
package struct SharingBounds: Sendable {
    /// Most payload bytes of an answer that is kept or shared (`cache.max_entry_size`).
    package var entry = 10 << 20
    /// Bytes of all answers together that are being fetched for the cache; what does not fit is not kept.
    package var fetching = 64 << 20
    /// Bytes of all kept answers together that are on their way to clients; beyond it providers are asked.
    package var delivering = 256 << 20
    /// How often a lease is prolonged; well below its life.
    package var renewal = Duration.seconds(1)
    /// For how long the parts of a stream are gathered before they are published.
    package var gathering = Duration.milliseconds(20)
    /// Most bytes published at once.
    package var published = 256 << 10
    /// The first and the longest pause between two looks at somebody else's flight.
    package var look = (shortest: Duration.milliseconds(5), longest: Duration.milliseconds(50))
    /// For how long a stream that has begun waits for a store that went away.
    package var patience = Duration.seconds(2)
    package init() {}
}
