import Glibc
import NIOCore

/// A segment that is being read, and how far.
struct SpoolSegment {
    /// `folder/segment`, the key of the checkpoint.
    let name: String
    private let path: String
    private var descriptor: Int32 = -1
    /// Behind the last record that was handed out.
    private(set) var position: Int
    /// Behind the last record that was stored.
    private(set) var stored: Int
    /// Before it may lie records that were handed out already, by this follower or by one before it.
    private var horizon: Int
    /// Bytes that were skipped because they hold no sound record.
    private(set) var skippedBytes = 0
    private(set) var isExhausted = false

    init(name: String, directory: String, offset: Int, horizon: Int) {
        self.name = name
        path = "\(directory)/\(name)"
        position = offset
        stored = offset
        self.horizon = horizon
    }

    /// Whether anything was handed out that is not stored yet.
    var isAhead: Bool { position > stored }

    /// Whether what is read next may have been handed out before.
    var isBehindHorizon: Bool { position < horizon }

    mutating func commit() { stored = position }
    mutating func rewind() {
        horizon = max(horizon, position)
        position = stored
        isExhausted = false
    }

    mutating func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// How a segment's end is to be understood.
    enum Ending { case mayGrow, isFinal }

    /// Reads whole records from `position` on.
    ///
    /// - Parameter ending: decided before the call, so that a final end cannot grow behind the reader's back.
    mutating func read(
        _ ending: Ending, maxRecords: Int, maxBytes: Int, into records: inout [ByteBuffer]
    ) throws(SpoolError) {
        if descriptor < 0 {
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw SpoolError("open \(path)") }
        }
        // What is written while this runs is for the next call.
        let end = Int(lseek(descriptor, 0, SEEK_END))
        var wanted = 1 << 20
        var taken = 0
        var count = 0
        isExhausted = position >= end
        while count < maxRecords, taken < maxBytes, position < end {
            var buffer = try readBytes(min(wanted, end - position))
            if buffer.readableBytes == 0 {
                isExhausted = true
                return
            }
            let reachedEnd = position + buffer.readableBytes >= end
            wanted = 1 << 20
            parsing: while count < maxRecords, taken < maxBytes {
                switch SpoolFrame.next(in: &buffer) {
                case .record(let payload):
                    records.append(payload)
                    count += 1
                    taken += payload.readableBytes + SpoolFrame.headerLength
                    position += payload.readableBytes + SpoolFrame.headerLength
                case .incomplete(let needed):
                    if !reachedEnd {
                        wanted = max(wanted, needed)
                        break parsing
                    }
                    if ending == .isFinal, buffer.readableBytes > 0 {
                        // A torn tail, or a damaged length: records may still follow it.
                        skip(&buffer)
                        continue parsing
                    }
                    isExhausted = true
                    return
                case .damaged:
                    skip(&buffer)
                }
            }
        }
    }

    private mutating func skip(_ buffer: inout ByteBuffer) {
        let distance = max(1, min(SpoolFrame.distanceToNextMark(in: buffer), buffer.readableBytes))
        buffer.moveReaderIndex(forwardBy: distance)
        position += distance
        skippedBytes += distance
    }

    /// Bytes skipped since the last call.
    mutating func takeSkippedBytes() -> Int {
        defer { skippedBytes = 0 }
        return skippedBytes
    }

    private func readBytes(_ count: Int) throws(SpoolError) -> ByteBuffer {
        var buffer = ByteBuffer()
        var failure: SpoolError?
        while buffer.readableBytes < count, failure == nil {
            let missing = count - buffer.readableBytes
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: missing) { space in
                while true {
                    let got = pread(
                        descriptor, space.baseAddress, missing, off_t(position + count - missing)
                    )
                    if got >= 0 { return got }
                    if errno != EINTR {
                        failure = SpoolError("read \(path)")
                        return 0
                    }
                }
            }
            if got == 0 { break }
        }
        if let failure { throw failure }
        return buffer
    }
}
