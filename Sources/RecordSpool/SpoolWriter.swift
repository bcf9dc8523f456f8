package import GatewayCore
import Glibc
import NIOCore

/// Puts settled records into this worker's segment files.
///
/// `append` encodes into memory; `flush`, called at the end of a loop tick before client bytes go out, writes
/// everything in one system call. A record is then in the page cache: it survives the death of the process, not of the
/// machine until its segment is rotated and synced.
@WorkerLoop
package final class SpoolWriter: RecordSink {
    private let directory: String
    private let folder: String
    private let limit: Int
    private let rotateAt: Int
    private let observer: any Observer
    private let scheduleFlush: (@WorkerLoop () -> Void)?
    private let lock: Int32
    private var segment: Int32
    private var sequence: UInt64 = 1
    /// Bytes in the current segment, all of them whole records.
    private var segmentLength = 0
    private var pending = ByteBuffer()
    private var pendingRecords = 0
    /// Bytes of all segments of the node when they were last counted, and what this worker added since.
    private var countedSize: Int
    private var addedSize = 0
    private var countAgainAt: ContinuousClock.Instant

    /// Appends beyond this are written without waiting for the end of the tick.
    private static let maxPending = 8 << 20
    /// Most bytes of room that are held for the next tick: enough for a hundred usual records.
    private static let mostPendingKept = 256 << 10

    /// Opens a folder and a first segment of this process.
    /// - Parameters:
    ///   - directory: the node's spool; made if missing.
    ///   - limit: bytes that all workers of the node may have waiting; beyond it records are dropped.
    ///   - rotateAt: bytes after which a segment is synced and the next one started.
    ///   - scheduleFlush: makes sure that `flush` runs soon; called with the first record after each flush.
    package init(
        directory: String, limit: Int, rotateAt: Int = 64 << 20, observer: any Observer,
        scheduleFlush: (@WorkerLoop () -> Void)? = nil
    ) throws(SpoolError) {
        try SpoolFolder.create(directory)
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let stamp = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
        let name =
            "\(SpoolFolder.workerPrefix)\(getpid())-\(String(stamp, radix: 36))"
            + "-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        let folder = "\(directory)/\(name)"
        // The folder gets its name when the lock is held: a follower never takes it for one of a dead worker.
        let draft = folder + SpoolFolder.draftSuffix
        try SpoolFolder.create(draft)
        guard let lock = try SpoolFolder.lock("\(draft)/\(SpoolFolder.lockName)") else {
            throw SpoolError("lock \(draft)", code: EWOULDBLOCK)
        }
        guard rename(draft, folder) == 0 else {
            let code = errno
            SpoolFolder.unlock(lock)
            throw SpoolError("rename \(draft)", code: code)
        }
        do throws(SpoolError) {
            segment = try Self.openSegment(1, in: folder)
        } catch {
            SpoolFolder.unlock(lock)
            throw error
        }
        self.directory = directory
        self.folder = folder
        self.limit = limit
        self.rotateAt = rotateAt
        self.observer = observer
        self.scheduleFlush = scheduleFlush
        self.lock = lock
        countedSize = SpoolFolder.totalSize(of: directory)
        countAgainAt = .now + Self.countInterval
    }

    private static let countInterval = Duration.seconds(5)

    private static func openSegment(_ sequence: UInt64, in folder: String) throws(SpoolError) -> Int32 {
        let path = "\(folder)/\(SpoolFolder.segmentName(sequence))"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SpoolError("open \(path)") }
        return descriptor
    }

    @discardableResult
    package func append(estimate: Int, _ body: (inout RecordEncoder) -> Void) -> Bool {
        let start = pending.writerIndex
        let length = SpoolFrame.append(to: &pending) { $0.writeRecord(estimate: estimate, body) }
        guard let length else {
            observer.record(.recordDropped(reason: .tooLarge))
            return false
        }
        guard hasRoom(for: pending.writerIndex) else {
            pending.moveWriterIndex(to: start)
            observer.record(.recordDropped(reason: .spoolFull))
            return false
        }
        if pendingRecords == 0 { scheduleFlush?() }
        pendingRecords += 1
        observer.record(.recordSpooled(bytes: length))
        if pending.readableBytes > Self.maxPending { flush() }
        return true
    }

    /// Whether `bytes` more fit under the node's limit; counts what is on disk again when it seems full.
    private func hasRoom(for bytes: Int) -> Bool {
        if countedSize + addedSize + bytes <= limit { return true }
        let now = ContinuousClock.now
        // Counting reads directories: not for every dropped record.
        guard now >= countAgainAt - Self.countInterval + .milliseconds(100) else { return false }
        count(at: now)
        return countedSize + bytes <= limit
    }

    private func count(at now: ContinuousClock.Instant) {
        countedSize = SpoolFolder.totalSize(of: directory)
        addedSize = 0
        countAgainAt = now + Self.countInterval
    }

    /// Whether records wait for `flush`.
    package var hasPending: Bool { pendingRecords > 0 }

    /// Writes everything appended since the last call.
    package func flush() {
        guard pendingRecords > 0 else { return }
        let total = pending.readableBytes
        var written = 0
        var failure: Int32?
        pending.withUnsafeReadableBytes { bytes in
            while written < total, let base = bytes.baseAddress {
                let count = write(segment, base + written, total - written)
                if count > 0 {
                    written += count
                } else if count == 0 || errno != EINTR {
                    failure = count == 0 ? ENOSPC : errno
                    return
                }
            }
        }
        if failure == nil {
            segmentLength += total
            addedSize += total
        } else {
            keepWholeRecords(written)
        }
        pending.clear()
        // A tick of large records must not keep its memory for the rest of the worker's life.
        if pending.capacity > Self.mostPendingKept { pending = ByteBuffer() }
        pendingRecords = 0
        if segmentLength >= rotateAt { rotate() }
    }

    /// After a failed write: cuts the file back to the last whole record, and counts the others as dropped.
    ///
    /// Whole records stay because the follower may have read them already.
    private func keepWholeRecords(_ written: Int) {
        var rest = pending
        var kept = 0
        var keptRecords = 0
        while case .record = SpoolFrame.next(in: &rest) {
            let end = rest.readerIndex - pending.readerIndex
            guard end <= written else { break }
            kept = end
            keptRecords += 1
        }
        segmentLength += kept
        addedSize += kept
        let isCut = written == kept || ftruncate(segment, off_t(segmentLength)) == 0
        for _ in keptRecords..<pendingRecords { observer.record(.recordDropped(reason: .writeFailed)) }
        if !isCut {
            // A file that cannot be cut back ends here; the follower skips what is torn.
            segmentLength = Int(lseek(segment, 0, SEEK_END))
            rotate()
        }
    }

    private func rotate() {
        do throws(SpoolError) {
            let next = try Self.openSegment(sequence + 1, in: folder)
            SegmentSync.syncAndClose(segment)
            segment = next
            sequence += 1
            segmentLength = 0
            count(at: .now)
        } catch {
            // No room for another file: the present one goes on growing, and rotation is tried at the next flush.
        }
    }

    /// Writes what is left, makes it durable, and leaves the folder to the follower.
    package func close() {
        guard segment >= 0 else { return }
        flush()
        fsync(segment)
        Glibc.close(segment)
        SpoolFolder.unlock(lock)
        segment = -1
    }

    deinit {
        if segment >= 0 {
            Glibc.close(segment)
            SpoolFolder.unlock(lock)
        }
    }
}
