import CFuzzer
import Glibc

/// What one program of this package tries its inputs on.
///
/// A program is a type marked `@main` that conforms; a promise that is broken traps, and libFuzzer keeps the input.
package protocol FuzzTarget {
    /// Tries one input, which may be empty.
    static func attempt(_ input: UnsafeRawBufferPointer)
}

/// The program's target; set before the first input.
///
/// SAFETY: written once by `main`, before libFuzzer's loop, which has one thread.
nonisolated(unsafe) private var target: (any FuzzTarget.Type)?

extension FuzzTarget {
    package static func main() {
        target = self
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(LLVMFuzzerRunDriver(&count, &arguments) { tryInput($0, $1) })
    }
}

// libFuzzer's archive also refers to the callback by this name.
@_cdecl("LLVMFuzzerTestOneInput")
package func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target?.attempt(UnsafeRawBufferPointer(start: start, count: count))
    return 0
}

extension UnsafeRawBufferPointer {
    /// The bytes from `index` on; none where there are fewer.
    package func from(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[Swift.min(index, count)...])
    }

    /// Calls `body` with the bytes in pieces of `step`, in order, until it says that it is enough.
    package func inPieces(of step: Int, _ body: (UnsafeRawBufferPointer) -> Bool) {
        var at = 0
        while at < count {
            let end = Swift.min(count, at + step)
            guard body(UnsafeRawBufferPointer(rebasing: self[at..<end])) else { return }
            at = end
        }
    }
}
