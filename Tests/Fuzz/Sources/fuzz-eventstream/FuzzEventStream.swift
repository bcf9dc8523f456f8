import CByteKernels
import FuzzDriver
import WireFormats

private struct Reading: Equatable {
    var events: [[UInt8]] = []
    var failure: EventReaderError?
}

private func read(_ bytes: UnsafeRawBufferPointer, step: Int) -> Reading {
    var reading = Reading()
    var reader = EventReader(.amazon)
    var at = 0
    do throws(EventReaderError) {
        while at < bytes.count {
            let end = min(bytes.count, at + step)
            try reader.feed(UnsafeRawBufferPointer(rebasing: bytes[at..<end])) { name, data in
                reading.events.append(Array(name) + [0x0A] + Array(data))
            }
            at = end
        }
    } catch {
        reading.failure = error
    }
    reader.finish { _, _ in preconditionFailure("a binary stream ended with an event") }
    return reading
}

private func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

/// A frame around the given bytes, its checksums right, so that what is inside gets read.
private func frame(headers: ArraySlice<UInt8>, payload: ArraySlice<UInt8>) -> [UInt8] {
    func sum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { aig_crc32(0, $0.baseAddress, $0.count) } }
    var bytes = number(UInt32(16 + headers.count + payload.count)) + number(UInt32(headers.count))
    bytes += number(sum(bytes))
    bytes += headers + payload
    return bytes + number(sum(bytes))
}

@main
enum FuzzEventStream: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2 else { return }
        let step = Int(input[0] & 0x7F) % 23 + 1
        let isFramed = input[0] & 0x80 != 0
        var bytes = Array(input.from(2))
        if !isFramed {
            // The bytes as headers and payload of frames that are sound otherwise.
            let split = min(Int(input[1]), bytes.count)
            bytes = frame(headers: bytes[..<split], payload: bytes[split...]) + frame(headers: [], payload: bytes[...])
        }
        bytes.withUnsafeBytes { whole in
            let once = read(whole, step: .max >> 1)
            precondition(once == read(whole, step: step), "cutting the stream changed an event")
            guard !isFramed else { return }
            precondition(once.failure == nil && once.events.count == 2 || once.failure == .amazon(.malformedHeaders))
        }
    }
}
