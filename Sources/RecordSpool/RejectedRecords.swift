import Glibc
package import NIOCore

/// Where records go that the database refuses, so that they neither block the queue nor vanish.
package struct RejectedRecords: Sendable {
    static let folderName = "rejected"
    /// Bytes kept; beyond it rejected records are lost.
    package static let limit = 64 << 20

    private let path: String

    package init(spoolDirectory: String) {
        path = "\(spoolDirectory)/\(Self.folderName)/records\(SpoolFolder.segmentSuffix)"
    }

    package enum Outcome: Sendable { case kept, lost }

    /// Adds a record's payload to the file, in the form of a segment.
    package func add(_ payload: ByteBuffer) -> Outcome {
        var frame = ByteBuffer()
        guard SpoolFrame.append(to: &frame, { $0.writeImmutableBuffer(payload) }) != nil,
            (SpoolFolder.size(of: path) ?? 0) + frame.readableBytes <= Self.limit,
            let slash = path.lastIndex(of: "/"),
            (try? SpoolFolder.create(String(path[..<slash]))) != nil
        else { return .lost }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return .lost }
        defer { close(descriptor) }
        let count = frame.withUnsafeReadableBytes { write(descriptor, $0.baseAddress, $0.count) }
        return count == frame.readableBytes ? .kept : .lost
    }

    /// The payloads kept so far.
    package func load() -> [ByteBuffer] {
        guard var buffer = FileBytes.read(path) else { return [] }
        var payloads: [ByteBuffer] = []
        while case .record(let payload) = SpoolFrame.next(in: &buffer) { payloads.append(payload) }
        return payloads
    }
}
