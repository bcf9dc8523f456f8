import Glibc
package import NIOCore

/// What one look at the spool found.
package struct SpoolBatch: Sendable {
    /// Encoded records, in the order of their segment.
    package var payloads: [ByteBuffer] = []
    package var bytes: Int { payloads.reduce(0) { $0 + $1.readableBytes } }
    /// Whether records may have been handed out before, by this follower or by one that died.
    package enum Novelty: Sendable { case new, mayRepeat }
    package var novelty = Novelty.new
    /// Bytes that held no sound record: torn tails of killed workers, damage.
    package var skippedBytes = 0
    /// Segments that could not be read this time.
    package var problems: [SpoolError] = []

    package init() {}
}

/// Reads the records of all workers of a node, dead or alive, and forgets them once they are stored.
///
/// `read` … `commit` hands every record out at least once: whoever dies between the two sees the batch again. After a loss
/// of power those since the last `secure` come again.
/// A segment is removed when all of it is stored and its worker can no longer write to it.
package final class SpoolFollower {
    private let directory: String
    private let checkpointPath: String
    private let securedPath: String
    private var segments: [String: SpoolSegment] = [:]
    private var checkpoint: SpoolCheckpoint
    /// Segments that were removed, which the disk may not know yet: until it does their offsets stay.
    private var removed: Set<String> = []
    /// How long each segment was when this follower began: all of it may have been stored by the one before.
    private var horizons: [String: Int] = [:]
    private var lock: Int32 = -1
    private var turn = 0

    /// - Parameter directory: the node's spool; made if missing.
    package init(directory: String) throws(SpoolError) {
        try SpoolFolder.create(directory)
        self.directory = directory
        checkpointPath = "\(directory)/checkpoint"
        securedPath = "\(directory)/checkpoint.secured"
        checkpoint = SpoolCheckpoint()
    }

    deinit { close() }

    package enum Right: Sendable { case owned, heldByOther }

    /// Makes this the only follower of the spool; until it is, nothing may be read.
    package func acquire() throws(SpoolError) -> Right {
        if lock >= 0 { return .owned }
        guard let descriptor = try SpoolFolder.lock("\(directory)/follower.lock") else { return .heldByOther }
        lock = descriptor
        checkpoint = .load(checkpointPath).merged(with: .load(securedPath))
        horizons = [:]
        for folder in SpoolFolder.names(in: directory) where folder.hasPrefix(SpoolFolder.workerPrefix) {
            for file in SpoolFolder.names(in: "\(directory)/\(folder)")
            where SpoolFolder.sequence(ofSegment: file) != nil {
                horizons["\(folder)/\(file)"] = SpoolFolder.size(of: "\(directory)/\(folder)/\(file)")
            }
        }
        removed = Set(checkpoint.offsets.keys.filter { horizons[$0] == nil })
        return .owned
    }

    /// Closes all files and lets another follower take over.
    package func close() {
        for name in segments.keys { segments[name]?.close() }
        segments = [:]
        horizons = [:]
        removed = []
        if lock >= 0 { SpoolFolder.unlock(lock) }
        lock = -1
    }

    /// Hands out records that were not handed out since the last `commit` or `rewind`; empty when there are none.
    package func read(maxRecords: Int, maxBytes: Int) -> SpoolBatch {
        precondition(lock >= 0, "the spool is read by a follower that does not own it")
        var batch = SpoolBatch()
        var work: [(name: String, ending: SpoolSegment.Ending)] = []
        var present: Set<String> = []
        for folder in SpoolFolder.names(in: directory).sorted() where folder.hasPrefix(SpoolFolder.workerPrefix) {
            if folder.hasSuffix(SpoolFolder.draftSuffix) {
                removeAbandonedDraft(folder)
                continue
            }
            // First the presence, then the list: what a dead worker left can no longer change.
            let presence = SpoolFolder.presence(of: "\(directory)/\(folder)")
            let sequences = SpoolFolder.names(in: "\(directory)/\(folder)")
                .compactMap { SpoolFolder.sequence(ofSegment: $0) }.sorted()
            if sequences.isEmpty, presence == .writerGone {
                unlink("\(directory)/\(folder)/\(SpoolFolder.lockName)")
                rmdir("\(directory)/\(folder)")
            }
            for sequence in sequences {
                let isLast = sequence == sequences.last
                let name = "\(folder)/\(SpoolFolder.segmentName(sequence))"
                present.insert(name)
                work.append((name, presence == .writerLives && isLast ? .mayGrow : .isFinal))
            }
        }
        for name in segments.keys where !present.contains(name) {
            segments[name]?.close()
            segments[name] = nil
        }
        turn &+= 1
        for index in work.indices {
            // Every segment gets its turn to be first, so that a busy worker does not starve the others.
            let (name, ending) = work[(index + turn) % work.count]
            let roomRecords = maxRecords - batch.payloads.count
            let roomBytes = maxBytes - batch.bytes
            if roomRecords <= 0 || roomBytes <= 0 { break }
            read(name, ending, maxRecords: roomRecords, maxBytes: roomBytes, into: &batch)
        }
        return batch
    }

    private func read(
        _ name: String, _ ending: SpoolSegment.Ending, maxRecords: Int, maxBytes: Int, into batch: inout SpoolBatch
    ) {
        var segment =
            segments[name]
            ?? SpoolSegment(
                name: name, directory: directory, offset: checkpoint.offsets[name] ?? 0, horizon: horizons[name] ?? 0)
        let known = batch.payloads.count
        let isBehindHorizon = segment.isBehindHorizon
        do throws(SpoolError) {
            try segment.read(ending, maxRecords: maxRecords, maxBytes: maxBytes, into: &batch.payloads)
        } catch {
            batch.problems.append(error)
        }
        if isBehindHorizon, batch.payloads.count > known { batch.novelty = .mayRepeat }
        batch.skippedBytes += segment.takeSkippedBytes()
        if ending == .isFinal, segment.isExhausted, !segment.isAhead {
            segment.close()
            segments[name] = nil
            horizons[name] = nil
            removed.insert(name)
            unlink("\(directory)/\(name)")
        } else {
            segments[name] = segment
        }
    }

    /// Notes that everything handed out so far is stored.
    ///
    /// An error means only that it may be handed out again after a restart.
    package func commit() throws(SpoolError) {
        var isChanged = false
        for name in segments.keys {
            guard let segment = segments[name], segment.isAhead else { continue }
            segments[name]?.commit()
            checkpoint.offsets[name] = segment.position
            isChanged = true
        }
        if isChanged { try checkpoint.save(checkpointPath) }
    }

    /// Whether segments were removed since the last `secure`.
    package var hasRemovedSegments: Bool { !removed.isEmpty }

    /// Makes everything that was committed survive a loss of power; waits for the disk.
    ///
    /// Not over the file that `commit` replaces: on the disk its content may be missing when the power fails.
    package func secure() throws(SpoolError) {
        for folder in Set(removed.compactMap { $0.split(separator: "/").first }) {
            try SpoolFolder.sync("\(directory)/\(folder)")
        }
        if !removed.isEmpty { try SpoolFolder.sync(directory) }
        var secured = checkpoint
        for name in removed { secured.offsets[name] = nil }
        try secured.save(securedPath, durability: .disk)
        checkpoint = secured
        removed = []
    }

    /// Everything handed out since the last commit will be handed out again.
    package func rewind() {
        for name in segments.keys { segments[name]?.rewind() }
    }

    /// Bytes of all segments that are not stored yet.
    package var backlogBytes: Int {
        var total = 0
        for folder in SpoolFolder.names(in: directory) where folder.hasPrefix(SpoolFolder.workerPrefix) {
            for file in SpoolFolder.names(in: "\(directory)/\(folder)")
            where SpoolFolder.sequence(ofSegment: file) != nil {
                let name = "\(folder)/\(file)"
                let stored = segments[name]?.stored ?? checkpoint.offsets[name] ?? 0
                total += max(0, (SpoolFolder.size(of: "\(directory)/\(name)") ?? 0) - stored)
            }
        }
        return total
    }

    /// Removes what a worker left that died while it made its folder.
    private func removeAbandonedDraft(_ folder: String) {
        let path = "\(directory)/\(folder)"
        var status = stat()
        guard stat(path, &status) == 0, time(nil) - status.st_mtim.tv_sec > 60,
            SpoolFolder.presence(of: path) == .writerGone
        else { return }
        unlink("\(path)/\(SpoolFolder.lockName)")
        rmdir(path)
    }
}
