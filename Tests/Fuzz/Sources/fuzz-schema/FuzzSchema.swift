import FuzzDriver
import GatewayCore
import NIOCore
import WireFormats

@testable import Providers

/// A way to write a schema for one kind of provider, and what has to be so in what it writes.
private struct Cleaner: Sendable {
    var write: @Sendable (JSONView, inout JSONWriter) -> Void
    /// Members that no schema has afterwards.
    var gone: Set<String>
    var closesObjects = false
}

private let cleaners = [
    Cleaner(
        write: { JSONSchemaCleaner.write($0, into: &$1) },
        gone: [
            "oneOf", "maxLength", "minimum", "uniqueItems", "not", "if", "contains", "propertyNames", "prefixItems",
        ],
        closesObjects: true),
    Cleaner(write: { GeminiSchema.write($0, as: .any, into: &$1) }, gone: ["$schema", "$comment", "const", "strict"]),
    Cleaner(write: { GeminiSchema.write($0, as: .object, into: &$1) }, gone: ["$schema", "$comment", "const"]),
    Cleaner(
        write: { GeminiOpenAPISchema.write($0, into: &$1) },
        gone: ["$ref", "$defs", "definitions", "additionalProperties", "oneOf", "allOf", "const", "title", "default"]),
]

private func written(_ schema: UnsafeRawBufferPointer, _ cleaner: Cleaner) -> ByteBuffer {
    var out = JSONWriter()
    cleaner.write(JSONView(schema), &out)
    return out.buffer
}

private func names(_ object: JSONView?) -> [String] {
    var names: [String] = []
    object?.forEachMember { name, _ in names.append(name) }
    return names
}

private func texts(_ list: JSONView?) -> [String] {
    var texts: [String] = []
    list?.forEachElement { if let text = $0.string { texts.append(text) } }
    return texts
}

/// What holds for a schema that was written, and for all schemas in it.
private func check(_ view: JSONView, _ cleaner: Cleaner) {
    guard view.kind == .object else { return }
    let members = names(view)
    precondition(Set(members).count == members.count, "a member twice: \(members)")
    precondition(cleaner.gone.isDisjoint(with: members), "a member that the provider refuses: \(members)")
    if cleaner.closesObjects, view.member("properties") != nil {
        precondition(view.member("additionalProperties")?.bool == false, "an open object")
    }
    for key in ["properties", "$defs", "definitions"] as [StaticString] {
        view.member(key)?.forEachMember { _, schema in check(schema, cleaner) }
    }
    if let items = view.member("items") { check(items, cleaner) }
    for key in ["anyOf", "allOf"] as [StaticString] { view.member(key)?.forEachElement { check($0, cleaner) } }
}

/// What a schema demands of an object's members is not lost on the way down its properties.
private func compare(_ view: JSONView, _ original: JSONView) {
    guard original.kind == .object, view.kind == .object else { return }
    let wanted = Set(texts(original.member("required"))).intersection(names(original.member("properties")))
    precondition(wanted.isSubset(of: texts(view.member("required"))), "a required member was lost")
    original.member("properties")?.forEachMember { name, schema in
        var found: JSONView?
        view.member("properties")?.forEachMember { if $0 == name, found == nil { found = $1 } }
        guard let found else { preconditionFailure("a property was lost") }
        compare(found, schema)
    }
}

@main
enum FuzzSchema: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 1 else { return }
        let cleaner = cleaners[Int(input[0] & 0x7F) % cleaners.count]
        if input[0] & 0x80 != 0 {
            // Anything that is JSON stays JSON.
            let bytes = input.from(1)
            guard JSONScan.validate(bytes) else { return }
            written(bytes, cleaner).withUnsafeReadableBytes { precondition(JSONScan.validate($0), "no JSON any more") }
            return
        }
        var maker = SchemaMaker(input.from(1))
        let schema = Array(maker.schema().utf8)
        schema.withUnsafeBytes { bytes in
            precondition(JSONScan.validate(bytes), "the schema that was made is no JSON")
            let once = written(bytes, cleaner)
            once.withUnsafeReadableBytes { cleaned in
                precondition(JSONScan.validate(cleaned), "no JSON any more")
                check(JSONView(cleaned), cleaner)
                compare(JSONView(cleaned), JSONView(bytes))
                guard cleaner.gone.contains("$ref") == false else { return }
                let twice = written(cleaned, cleaner)
                precondition(twice == once, "cleaning twice: \(String(buffer: once)) \(String(buffer: twice))")
            }
        }
    }
}
