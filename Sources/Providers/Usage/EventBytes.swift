import CByteKernels
import Glibc
import WireFormats

/// Searches in the data of one event, without parsing it.
///
/// In JSON text an unescaped quotation mark never stands inside a string, so `"usage"` with its marks is a key or a
/// whole string value, never part of what a model wrote.
extension UnsafeRawBufferPointer {
    func position(of needle: StaticString, from start: Int = 0) -> Int? {
        guard let baseAddress, start < count else { return nil }
        let found = aig_find(baseAddress + start, count - start, needle.utf8Start, needle.utf8CodeUnitCount)
        return found < 0 ? nil : start + found
    }

    @inline(__always)
    func isText(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        guard let baseAddress else { return true }
        return memcmp(baseAddress, text.utf8Start, count) == 0
    }

    /// Where the first value of a quoted key begins that is neither null nor an empty string.
    func value(ofKey key: StaticString, from start: Int = 0) -> Int? {
        var search = start
        while let found = position(of: key, from: search) {
            search = found + key.utf8CodeUnitCount
            var at = skipSpace(search)
            guard at < count, self[at] == 0x3a else { continue }
            at = skipSpace(at + 1)
            guard at < count, self[at] != 0x6e else { continue }
            if self[at] == 0x22, at + 1 < count, self[at + 1] == 0x22 { continue }
            return at
        }
        return nil
    }

    /// The first object under a quoted key, at any depth.
    ///
    /// The view runs on to the end of the event.
    func object(ofKey key: StaticString) -> JSONView? {
        var start = 0
        while let at = value(ofKey: key, from: start) {
            if self[at] == 0x7b { return JSONView(UnsafeRawBufferPointer(rebasing: self[at...])) }
            start = at
        }
        return nil
    }

    private func skipSpace(_ start: Int) -> Int {
        var at = start
        while at < count, self[at] == 0x20 || self[at] == 0x09 || self[at] == 0x0a || self[at] == 0x0d { at += 1 }
        return at
    }
}
