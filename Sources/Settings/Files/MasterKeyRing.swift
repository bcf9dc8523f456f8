import Foundation
package import GatewayCore

/// The content of the master key's file: the key in use, and around a rotation the one to come and those before.
///
/// - Text: the key in use alone on the first line; on further lines `next:` or `former:` and a key; all in base64.
package struct MasterKeyRing: Sendable {
    package static let keyLength = 32
    /// Keys a file may hold.
    package static let most = 4

    /// Wraps what is stored from now on.
    package var current: Secret<[UInt8]>
    /// Takes the place of `current` at the next rotation; until then it opens what other nodes wrapped with it.
    package var next: Secret<[UInt8]>?
    /// Open what was wrapped with them, newest first.
    package var former: [Secret<[UInt8]>]

    package init(
        current: Secret<[UInt8]>, next: Secret<[UInt8]>? = nil, former: [Secret<[UInt8]>] = []
    ) {
        self.current = current
        self.next = next
        self.former = former
    }

    /// The keys one after the other, the one in use first, as `MasterKey` takes them.
    package var bytes: Secret<[UInt8]> {
        Secret(([current] + [next].compactMap { $0 } + former).flatMap { $0.reveal() })
    }

    package var count: Int { 1 + (next == nil ? 0 : 1) + former.count }

    /// Reads a file's content; nil when it is anything else.
    init?(_ content: [UInt8]) {
        let lines = String(decoding: content, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        guard let first = lines.first.flatMap(Self.key), lines.count <= Self.most else { return nil }
        self.init(current: first)
        for line in lines.dropFirst() {
            if line.hasPrefix(Self.nextMark), next == nil,
                let key = Self.key(String(line.dropFirst(Self.nextMark.count)))
            {
                next = key
            } else if line.hasPrefix(Self.formerMark), let key = Self.key(String(line.dropFirst(Self.formerMark.count)))
            {
                former.append(key)
            } else {
                return nil
            }
        }
    }

    /// What is written to the file.
    var content: [UInt8] {
        var lines = [Self.text(current)]
        if let next { lines.append(Self.nextMark + Self.text(next)) }
        lines += former.map { Self.formerMark + Self.text($0) }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static let nextMark = "next:"
    private static let formerMark = "former:"

    private static func key(_ text: String) -> Secret<[UInt8]>? {
        guard let data = Data(base64Encoded: text), data.count == keyLength else { return nil }
        return Secret(Array(data))
    }

    private static func text(_ key: Secret<[UInt8]>) -> String { Data(key.reveal()).base64EncodedString() }
}
