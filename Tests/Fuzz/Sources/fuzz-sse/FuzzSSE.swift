import FuzzDriver
import WireFormats

private struct Reading: Equatable {
    var events: [[UInt8]] = []
    var isTooLarge = false
}

private func read(_ bytes: UnsafeRawBufferPointer, step: Int, limit: Int) -> Reading {
    var reading = Reading()
    var parser = SSEParser(eventLimit: limit)
    var at = 0
    do throws(SSEError) {
        while at < bytes.count {
            let end = min(bytes.count, at + step)
            try parser.feed(UnsafeRawBufferPointer(rebasing: bytes[at..<end])) { name, data in
                reading.events.append(Array(name) + [0x0A] + Array(data))
            }
            at = end
        }
        parser.finish { name, data in reading.events.append(Array(name) + [0x0A] + Array(data)) }
    } catch {
        reading.isTooLarge = true
    }
    return reading
}

@main
enum FuzzSSE: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 1 else { return }
        let bytes = input.from(1)
        let step = Int(input[0]) % 13 + 1
        let whole = read(bytes, step: .max >> 1, limit: 1 << 20)
        precondition(whole == read(bytes, step: step, limit: 1 << 20), "cutting the stream changed an event")
        precondition(!whole.isTooLarge)
        _ = read(bytes, step: step, limit: 16)
    }
}
