import FuzzDriver
import NIOCore
import WireFormats

private let wanted: [StaticString] = ["model", "stream", "usage", "a"]

/// Reads everything there is in a value, however broken, to a bounded depth.
private func walk(_ view: JSONView, depth: Int) {
    _ = (view.int, view.double, view.bool, view.isNull, view.string, view.member("model")?.kind)
    guard depth < 4 else { return }
    view.forEachElement { walk($0, depth: depth + 1) }
    view.forEachMember { _, value in walk(value, depth: depth + 1) }
    _ = (view.firstElement?.bytes.count, view.lastElement?.bytes.count)
}

private func capture(_ bytes: UnsafeRawBufferPointer, step: Int) -> JSONCapture {
    var capture = JSONCapture(wanted: wanted, limitPerMember: 4_096)
    var at = 0
    while at < bytes.count {
        let end = min(bytes.count, at + step)
        capture.feed(UnsafeRawBufferPointer(rebasing: bytes[at..<end]))
        at = end
    }
    return capture
}

private func check(_ patched: ByteBuffer) {
    let isValid = patched.withUnsafeReadableBytes { JSONScan.topLevel($0, wanted: []) != nil }
    precondition(isValid, "a patch broke the document")
}

@main
enum FuzzJSON: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 1 else { return }
        let bytes = input.from(1)
        walk(JSONView(bytes), depth: 0)
        let whole = capture(bytes, step: .max >> 1)
        let pieces = capture(bytes, step: Int(input[0]) % 13 + 1)
        for index in wanted.indices {
            precondition(whole.value(index) == pieces.value(index), "cutting the document changed a captured value")
        }
        guard let top = JSONScan.topLevel(bytes, wanted: wanted) else { return }
        precondition(JSONScan.validate(bytes), "an object with members that is not valid JSON")
        precondition(whole.isComplete, "a valid object that the capture did not see to its end")
        let document = ByteBuffer(bytes: bytes)
        for index in wanted.indices {
            let range = top[index]
            precondition(whole.value(index).map { Array($0.readableBytesView) } == range.map { Array(bytes[$0]) })
            guard let range else { continue }
            check(JSONPatch.replace(range, withString: "x\"\\\n", in: document))
            check(JSONPatch.removeMember(valueRange: range, in: document))
        }
        check(JSONPatch.insertMember("new", rawValue: "[1]", in: document))
    }
}
