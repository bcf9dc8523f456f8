import CLibPQ
import GatewayCore
import Glibc
import NIOCore

/// One connection to a server, driven from one thread, which never waits beyond a deadline.
///
/// After an error whose kind is `.unavailable` the connection is of no further use.
@safe final class LibPQConnection {
    // SAFETY: created by `init`, freed once by `deinit`, used only on the thread of the session that owns this object.
    private let raw: OpaquePointer
    /// The operation under way must end before this.
    private var deadline: ContinuousClock.Instant
    private var isExtended = false
    /// What an operation gets once when it finds that it was not run in time.
    private static let lateness: Duration = .seconds(1)

    init(_ options: PostgresOptions) throws(PostgresError) {
        deadline = .now + options.connectTimeout
        let parameters = [
            ("dbname", options.url.reveal()), ("application_name", options.applicationName),
            ("client_encoding", "UTF8"), ("keepalives_idle", "30"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("tcp_user_timeout", "15000"),
        ]
        var keywords = unsafe parameters.map { unsafe UnsafePointer<CChar>(strdup($0.0)) }
        var values = unsafe parameters.map { unsafe UnsafePointer<CChar>(strdup($0.1)) }
        defer {
            unsafe (keywords + values).forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
        }
        unsafe keywords.append(nil)
        unsafe values.append(nil)
        guard let raw = unsafe PQconnectStartParams(keywords, values, 1) else {
            throw PostgresError(.unavailable, "out of memory")
        }
        unsafe self.raw = unsafe raw
        unsafe PQsetNoticeProcessor(raw, { _, _ in }, nil)
        try finishConnecting()
        guard unsafe PQsetnonblocking(raw, 1) == 0 else { throw broken() }
    }

    deinit { unsafe PQfinish(raw) }

    private func finishConnecting() throws(PostgresError) {
        if unsafe PQstatus(raw) == CONNECTION_BAD { throw broken() }
        var wanted = Int16(POLLOUT)
        while true {
            try wait(for: wanted)
            switch unsafe PQconnectPoll(raw) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: wanted = Int16(POLLIN)
            case PGRES_POLLING_WRITING: wanted = Int16(POLLOUT)
            default: throw broken()
            }
        }
    }

    /// Whether the server has not closed an idle connection.
    func isUsable() -> Bool {
        var descriptor = unsafe pollfd(fd: PQsocket(raw), events: Int16(POLLIN), revents: 0)
        guard descriptor.fd >= 0 else { return false }
        // The server says why it goes before it does: the end of the connection is behind what it said.
        while unsafe poll(&descriptor, 1, 0) > 0 {
            guard unsafe PQconsumeInput(raw) != 0 else { return false }
        }
        return unsafe PQstatus(raw) == CONNECTION_OK && PQtransactionStatus(raw) == PQTRANS_IDLE
    }

    /// Runs one statement and returns its result.
    func execute(_ query: PostgresQuery, within limit: Duration) throws(PostgresError) -> PostgresResult {
        begin(within: limit)
        let encoded = query.values.map(\.encoded)
        guard encoded.count <= 65_535, encoded.allSatisfy({ ($0?.count ?? 0) < 1 << 30 }) else {
            throw PostgresError(.refused, "too many or too large parameters", sqlState: "54000")
        }
        let types = query.values.map { Oid($0.typeID) }
        let formats = query.values.map(\.format)
        let lengths = encoded.map { Int32($0?.count ?? 0) }
        // libpq wants one array of pointers: all values are laid out in one block, each followed by a zero byte.
        var block: [CChar] = []
        var offsets: [Int?] = []
        block.reserveCapacity(encoded.reduce(0) { $0 + ($1?.count ?? 0) + 1 })
        for value in encoded {
            guard let value else {
                offsets.append(nil)
                continue
            }
            offsets.append(block.count)
            block.append(contentsOf: value.lazy.map { CChar(bitPattern: $0) })
            block.append(0)
        }
        let sent = unsafe block.withUnsafeBufferPointer { block in
            let pointers = unsafe offsets.map { offset in
                unsafe offset.flatMap { unsafe block.baseAddress?.advanced(by: $0) }
            }
            return unsafe PQsendQueryParams(
                raw, query.text, Int32(pointers.count), types, pointers, lengths, formats, 0
            )
        }
        guard sent == 1 else { throw broken() }
        return try lastResult()
    }

    /// Runs several statements in one message; used for migrations.
    func run(script: String, within limit: Duration) throws(PostgresError) {
        begin(within: limit)
        guard unsafe PQsendQuery(raw, script) == 1 else { throw broken() }
        _ = try lastResult()
    }

    /// Sends `buffers`, in order, as the data of a `COPY … FROM STDIN` statement.
    func copyIn(_ statement: PostgresQuery, _ buffers: [ByteBuffer], within limit: Duration) throws(PostgresError)
        -> Int
    {
        let opening = try execute(statement, within: limit)
        guard opening.status == PGRES_COPY_IN else {
            throw PostgresError(.unexpectedResult, "the statement is not COPY … FROM STDIN")
        }
        for buffer in buffers {
            // Pieces keep libpq's own buffer small.
            var rest = buffer
            while let piece = rest.readSlice(length: min(rest.readableBytes, 256 << 10)), piece.readableBytes > 0 {
                try put(piece)
            }
        }
        while true {
            let ended = unsafe PQputCopyEnd(raw, nil)
            if ended == 1 { break }
            if ended < 0 { throw broken() }
            try flush()
        }
        return try lastResult().affected
    }

    private func put(_ piece: ByteBuffer) throws(PostgresError) {
        while true {
            let accepted = unsafe piece.withUnsafeReadableBytes { bytes in
                unsafe PQputCopyData(
                    raw, bytes.bindMemory(to: CChar.self).baseAddress, Int32(bytes.count)
                )
            }
            if accepted < 0 { throw broken() }
            if accepted == 1 { break }
            try flush()
        }
        // What the server refused early comes back as an error after the end of the data.
        try flush()
    }

    /// Channel and payload of each notification that has arrived; waits up to `limit` for the first one.
    func notifications(within limit: Duration) throws(PostgresError) -> [String] {
        var found: [String] = []
        begin(within: limit)
        while true {
            while let notification = unsafe PQnotifies(raw) {
                found.append(unsafe String(cString: notification.pointee.extra))
                unsafe PQfreemem(notification)
            }
            if !found.isEmpty { return found }
            do throws(PostgresError) {
                try wait(for: Int16(POLLIN))
            } catch {
                // Nothing came; the connection itself is fine.
                return found
            }
            guard unsafe PQconsumeInput(raw) == 1 else { throw broken() }
        }
    }

    private func flush() throws(PostgresError) {
        while true {
            let left = unsafe PQflush(raw)
            if left == 0 { return }
            if left < 0 { throw broken() }
            let ready = try wait(for: Int16(POLLIN | POLLOUT))
            if ready & Int16(POLLIN) != 0, unsafe PQconsumeInput(raw) != 1 { throw broken() }
        }
    }

    /// Waits for everything the server answers to what was sent; an error among it is thrown.
    private func lastResult() throws(PostgresError) -> PostgresResult {
        try flush()
        var last: PostgresResult?
        var failure: PostgresError?
        while true {
            while unsafe PQisBusy(raw) == 1 {
                try wait(for: Int16(POLLIN))
                guard unsafe PQconsumeInput(raw) == 1 else { throw failure ?? broken() }
            }
            guard let next = unsafe PQgetResult(raw) else { break }
            let result = unsafe PostgresResult(owning: next)
            switch result.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: last = result
            case PGRES_COPY_IN: return result
            default: failure = failure ?? result.error
            }
        }
        if let failure { throw failure }
        guard let last else { throw broken() }
        return last
    }

    private func begin(within limit: Duration) {
        deadline = .now + limit
        isExtended = false
    }

    /// Waits until the socket is ready; returns what it is ready for.
    ///
    /// A thread that was not run for a while finds in the socket what came in time, and may read the rest of it.
    @discardableResult
    private func wait(for events: Int16) throws(PostgresError) -> Int16 {
        while true {
            let left = deadline - ContinuousClock.now
            let milliseconds = left > .zero ? min(left.wholeMicroseconds / 1000 + 1, 60_000) : 0
            var descriptor = unsafe pollfd(fd: PQsocket(raw), events: events, revents: 0)
            guard descriptor.fd >= 0 else { throw broken() }
            let count = unsafe poll(&descriptor, 1, Int32(milliseconds))
            if count < 0, errno != EINTR { throw broken() }
            if left <= .zero {
                guard count > 0, !isExtended else { throw PostgresError(.unavailable, "no answer in time") }
                deadline = .now + Self.lateness
                isExtended = true
            }
            if count > 0 { return descriptor.revents }
        }
    }

    private func broken() -> PostgresError {
        let text = unsafe PQerrorMessage(raw).map { unsafe String(cString: $0) } ?? ""
        let firstLine = text.split(separator: "\n").first.map(String.init) ?? "the connection is broken"
        return PostgresError(.unavailable, firstLine)
    }
}
