import CloudflareWire

/// The header that tells a writer which snapshot version contains its change (decisions 21).
enum SnapshotHeader {
    static let name = ResponseHeaderName.snapshot.description
}
