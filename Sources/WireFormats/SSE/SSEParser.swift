import Glibc

/// Reads the events of a `text/event-stream` that arrives in pieces cut anywhere.
///
/// An event whose only data line lies wholly inside one piece is handed out where it stands, without a copy.
/// - Source: WHATWG HTML §9.2.6 (parsing an event stream): lines end with LF, CRLF or CR; `data` lines join with LF; an
///   event without a `data` line is not dispatched; comments, `id` and `retry` are skipped · documented
/// - Exception: an event that the stream's end cuts off before its blank line is dispatched by `finish`, since
///   providers close right after their last line (providers §3) · observed
/// - Limit: `eventLimit` bytes for one event, its lines not yet ended included; beyond it `eventTooLarge`.
package struct SSEParser: Sendable {
    private let eventLimit: Int
    /// The beginning of a line whose end has not come yet.
    private var line: [UInt8] = []
    /// The present event's name and data as far as they had to be copied.
    private var name: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    /// The last piece ended with CR: an LF at the start of the next one belongs to it.
    private var endedWithReturn = false
    private var isFirstLine = true

    /// - Parameter eventLimit: most bytes of one event; 16 MiB unless told.
    package init(eventLimit: Int = 16 << 20) {
        self.eventLimit = eventLimit
    }

    /// Takes the next piece and calls `event` for each event that ends in it; `name` may be empty.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) throws(SSEError) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        var start = 0
        if endedWithReturn {
            endedWithReturn = false
            if bytes[0] == 0x0A { start = 1 }
        }
        // What the present event has inside this piece; it is copied only if the piece ends before the event does.
        var pending = InPlace()
        var lineFeed = -1
        var carriageReturn = -1
        while start < bytes.count {
            if lineFeed < start { lineFeed = Self.next(0x0A, base, from: start, count: bytes.count) }
            if carriageReturn < start { carriageReturn = Self.next(0x0D, base, from: start, count: bytes.count) }
            let end = min(lineFeed, carriageReturn)
            guard end < bytes.count else { break }
            if line.isEmpty {
                let whole = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                try take(whole, standing: .inPlace, pending: &pending, event: event)
            } else {
                try extendLine(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                try takeHeldLine(pending: &pending, event: event)
            }
            start = end + 1
            if end == carriageReturn {
                if start == bytes.count {
                    endedWithReturn = true
                } else if bytes[start] == 0x0A {
                    start += 1
                }
            }
        }
        hold(&pending)
        if start < bytes.count { try extendLine(UnsafeRawBufferPointer(rebasing: bytes[start...])) }
        guard data.count + line.count <= eventLimit else { throw .eventTooLarge }
    }

    /// Takes note that the stream has ended, and dispatches an event that lacks only its line end or blank line.
    package mutating func finish(event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void) {
        var pending = InPlace()
        if !line.isEmpty {
            // The limit was checked when the line was kept.
            try? takeHeldLine(pending: &pending, event: event)
        }
        dispatch(&pending, event: event)
        self = SSEParser(eventLimit: eventLimit)
    }

    /// Where a line's bytes stand: in the piece that was fed, or in a copy that goes away after the line.
    private enum Standing { case inPlace, copied }

    /// The parts of the present event that still stand in the piece that was fed.
    private struct InPlace {
        var name: UnsafeRawBufferPointer?
        var data: UnsafeRawBufferPointer?
    }

    private static func next(_ byte: Int32, _ base: UnsafeRawPointer, from: Int, count: Int) -> Int {
        guard let hit = memchr(base + from, byte, count - from) else { return count }
        return UnsafeRawPointer(hit) - base
    }

    private mutating func extendLine(_ bytes: UnsafeRawBufferPointer) throws(SSEError) {
        guard data.count + line.count + bytes.count <= eventLimit else { throw .eventTooLarge }
        line.append(contentsOf: bytes)
    }

    private mutating func takeHeldLine(
        pending: inout InPlace,
        event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) throws(SSEError) {
        var held: [UInt8] = []
        swap(&held, &line)
        let failure: SSEError? = held.withUnsafeBytes { bytes in
            do throws(SSEError) {
                try take(bytes, standing: .copied, pending: &pending, event: event)
                return nil
            } catch {
                return error
            }
        }
        held.removeAll(keepingCapacity: held.capacity <= 65_536)
        swap(&held, &line)
        if let failure { throw failure }
    }

    private mutating func take(
        _ whole: UnsafeRawBufferPointer, standing: Standing, pending: inout InPlace,
        event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) throws(SSEError) {
        var whole = whole
        if isFirstLine {
            isFirstLine = false
            if whole.starts(with: [0xEF, 0xBB, 0xBF]) { whole = UnsafeRawBufferPointer(rebasing: whole[3...]) }
        }
        guard let first = whole.first else {
            dispatch(&pending, event: event)
            return
        }
        // Only "data" and "event" matter; everything else, comments included, is skipped by its first letter.
        if first == UInt8(ascii: "d"), let value = whole.fieldValue("data") {
            try add(data: value, standing: standing, pending: &pending)
        } else if first == UInt8(ascii: "e"), let value = whole.fieldValue("event") {
            if standing == .inPlace {
                pending.name = value
            } else {
                pending.name = nil
                name.removeAll(keepingCapacity: true)
                name.append(contentsOf: value)
            }
        }
    }

    private mutating func add(
        data value: UnsafeRawBufferPointer, standing: Standing, pending: inout InPlace
    ) throws(SSEError) {
        guard data.count + (pending.data?.count ?? 0) + value.count < eventLimit else { throw .eventTooLarge }
        if !hasData, standing == .inPlace {
            pending.data = value
        } else {
            if let earlier = pending.data {
                data.append(contentsOf: earlier)
                pending.data = nil
            }
            if hasData { data.append(0x0A) }
            data.append(contentsOf: value)
        }
        hasData = true
    }

    private mutating func hold(_ pending: inout InPlace) {
        if let value = pending.name {
            name.removeAll(keepingCapacity: true)
            name.append(contentsOf: value)
        }
        if let value = pending.data { data.append(contentsOf: value) }
        pending = InPlace()
    }

    private mutating func dispatch(
        _ pending: inout InPlace,
        event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) {
        if hasData {
            name.withUnsafeBytes { heldName in
                data.withUnsafeBytes { heldData in event(pending.name ?? heldName, pending.data ?? heldData) }
            }
        }
        pending = InPlace()
        hasData = false
        name.removeAll(keepingCapacity: true)
        // A large event must not keep its memory for the rest of a long stream.
        data.removeAll(keepingCapacity: data.capacity <= 65_536)
    }
}

extension UnsafeRawBufferPointer {
    /// The value of this line if its field is called `name`: what follows the colon and one space, or nothing.
    fileprivate func fieldValue(_ name: StaticString) -> UnsafeRawBufferPointer? {
        let length = name.utf8CodeUnitCount
        guard count >= length, let baseAddress, memcmp(baseAddress, name.utf8Start, length) == 0 else { return nil }
        guard count > length else { return UnsafeRawBufferPointer(rebasing: self[length...]) }
        guard self[length] == 0x3A else { return nil }
        let start = count > length + 1 && self[length + 1] == 0x20 ? length + 2 : length + 1
        return UnsafeRawBufferPointer(rebasing: self[start...])
    }
}
