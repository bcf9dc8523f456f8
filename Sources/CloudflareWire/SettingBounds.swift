/// How far a request may go with its settings; a number beyond is moved to the nearest end (data-plane §2.1).
///
/// What operators may set of it is below `limits.`.
package struct SettingBounds: Sendable, Equatable {
    /// Most seconds for which an answer may be kept.
    package var longestCacheTTL = SettingValue.cacheTTLRange.upperBound
    /// Most tries of one call.
    package var mostAttempts = SettingValue.attemptsRange.upperBound
    /// Longest wait between two tries, in milliseconds.
    package var longestRetryDelay = SettingValue.retryDelayRange.upperBound
    /// Entries of metadata that are kept.
    package var metadataEntries = Metadata.entryLimit

    package init() {}

    package static let standard = SettingBounds()
}
