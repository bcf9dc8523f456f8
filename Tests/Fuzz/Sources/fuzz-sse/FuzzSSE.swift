import CFuzzer
import Glibc
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
enum FuzzSSE {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(LLVMFuzzerRunDriver(&count, &arguments) { tryInput($0, $1) })
    }
}

// libFuzzer's archive also refers to the callback by this name.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    let step = Int(start[0]) % 13 + 1
    let whole = read(bytes, step: .max >> 1, limit: 1 << 20)
    precondition(whole == read(bytes, step: step, limit: 1 << 20), "cutting the stream changed an event")
    precondition(!whole.isTooLarge)
    _ = read(bytes, step: step, limit: 16)
    return 0
}
