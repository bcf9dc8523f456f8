import GatewayCore
import Outbound
import SecretVault

/// The checks of a gateway's structured members (control-plane.md §3.3 · documented).
///
/// Each returns what is stored: the value as it came, with the documented defaults filled in. Members that are not
/// known are kept, so that a newer client reads back what it wrote.
enum GatewayStructures {
    private enum Action: String, CaseIterable { case block = "BLOCK", flag = "FLAG" }
    private enum Check: String, CaseIterable { case request = "REQUEST", response = "RESPONSE" }
    private enum ContentType: String, CaseIterable { case json, protobuf }
    private enum Technique: String, CaseIterable { case fixed, sliding }
    private enum Mode: String, CaseIterable { case filter, partition }
    private enum LimitType: String, CaseIterable { case cost }

    private static let guardrailCategories = Set(["P1"] + (1...13).map { "S\($0)" })

    static func dlp(_ value: JSONValue, _ reader: inout FieldReader) -> JSONValue {
        var form = FieldReader(value, path: reader.path)
        var flag = false
        form.bool("enabled", .required, into: &flag)
        if let policies = form.member("policies") {
            eachObject(policies, "policies", &form) { policy in
                _ = policy.requiredString("id", lengths: 1...256)
                policy.bool("enabled", .required, into: &flag)
                word(Action.self, "action", .required, &policy)
                eachWord(Check.self, "check", &policy)
                strings("profiles", .required, &policy)
            }
        } else {
            word(Action.self, "action", .required, &form)
            strings("profiles", .required, &form)
        }
        reader.adopt(form)
        return value
    }

    static func guardrails(_ value: JSONValue, _ reader: inout FieldReader) -> JSONValue {
        var form = FieldReader(value, path: reader.path)
        for direction in ["prompt", "response"] {
            guard let categories = form.member(direction, .required) else { continue }
            var nested = FieldReader(categories, path: form.path + [direction])
            for member in categories.members ?? [] {
                if !guardrailCategories.contains(member.name) {
                    nested.report(member.name, "Unrecognized guardrail category")
                } else if !member.value.isNull {
                    word(Action.self, member.name, .required, &nested)
                }
            }
            form.adopt(nested)
        }
        reader.adopt(form)
        return value
    }

    /// Exporters that a gateway may have: each of its requests is queued once for every one of them.
    ///
    /// As many count in the database, whatever is in the row.
    static let mostExporters = 5

    /// What could not be used when something is to be sent is refused now.
    static func otel(_ value: JSONValue, _ reader: inout FieldReader, egress: EgressRule) -> JSONValue {
        guard let entries = value.elements else {
            reader.reportSelf("Expected array")
            return value
        }
        guard entries.count <= mostExporters else {
            reader.reportSelf("Array must contain at most \(mostExporters) element(s)")
            return value
        }
        var completed: [JSONValue] = []
        for (index, entry) in entries.enumerated() {
            var form = FieldReader(entry, path: reader.path + [String(index)])
            let url = form.requiredString("url", lengths: 1...2048)
            if !url.isEmpty {
                do throws(OutboundURL.Refusal) {
                    _ = try OutboundURL(url, egress: egress)
                } catch {
                    form.report("url", error.message)
                }
            }
            if let headers = form.member("headers", .required) {
                var nested = FieldReader(headers, path: form.path + ["headers"])
                for header in headers.members ?? [] {
                    let value = nested.requiredString(header.name, lengths: 0...8192)
                    if !HeaderField.isSound(header.name, value) {
                        nested.report(header.name, "Invalid header: it cannot be sent")
                    }
                }
                form.adopt(nested)
            }
            var authorization: String?
            form.string("authorization", lengths: 0...256, into: &authorization)
            word(ContentType.self, "content_type", .optional, &form)
            reader.adopt(form)
            completed.append(entry.filling("content_type", with: "json"))
        }
        return .array(completed)
    }

    static func spendLimits(_ value: JSONValue, _ reader: inout FieldReader, most: Int) -> JSONValue {
        var form = FieldReader(value, path: reader.path)
        var flag = false
        form.bool("enabled", into: &flag)
        var rules: [JSONValue] = []
        if let given = form.member("rules"), !given.isNull {
            if (given.elements?.count ?? 0) > most {
                form.report("rules", "Array must contain at most \(most) element(s)")
            }
            eachObject(given, "rules", &form) { rule in rules.append(spendRule(&rule)) }
        }
        reader.adopt(form)
        guard value.members != nil else { return value }
        return value.filling("enabled", with: false).replacing("rules", with: .array(rules))
    }

    private static func spendRule(_ rule: inout FieldReader) -> JSONValue {
        var id: String?
        rule.string("id", lengths: 1...256, into: &id)
        var flag = true
        rule.bool("enabled", into: &flag)
        if let limit = rule.member("limit", .required), (limit.double ?? -1) <= 0 {
            rule.report("limit", "Number must be greater than 0")
        }
        word(LimitType.self, "limitType", .required, &rule)
        var window: Int?
        rule.integer("window", .required, in: 1...Int(Int32.max), into: &window)
        word(Technique.self, "technique", .optional, &rule)
        if let metadata = rule.member("metadata"), !metadata.isNull {
            var nested = FieldReader(metadata, path: rule.path + ["metadata"])
            for member in metadata.members ?? [] { dimension(member.name, &nested) }
            rule.adopt(nested)
        }
        for name in ["model", "provider"] { dimension(name, &rule) }
        let newID = (try? RandomBytes.hexadecimal(bytes: 4)) ?? "00000000"
        return rule.document.filling("id", with: .string(newID)).filling("enabled", with: true)
            .filling("technique", with: "sliding")
    }

    /// One dimension of a spend rule: `{"mode": "filter", "values": […]}` or `{"mode": "partition"}`.
    private static func dimension(_ name: String, _ reader: inout FieldReader) {
        guard let value = reader.member(name), !value.isNull else { return }
        var form = FieldReader(value, path: reader.path + [name])
        word(Mode.self, "mode", .required, &form)
        strings("values", value["mode"]?.text == Mode.filter.rawValue ? .required : .optional, &form)
        reader.adopt(form)
    }

    static func stripe(_ value: JSONValue, _ reader: inout FieldReader) -> JSONValue {
        var form = FieldReader(value, path: reader.path)
        _ = form.requiredString("authorization", lengths: 1...256)
        if let events = form.member("usage_events", .required) {
            eachObject(events, "usage_events", &form) { event in _ = event.requiredString("payload") }
        }
        reader.adopt(form)
        return value
    }

    private static func eachObject(
        _ value: JSONValue, _ name: String, _ reader: inout FieldReader, _ body: (inout FieldReader) -> Void
    ) {
        guard let elements = value.elements else { return reader.report(name, "Expected array") }
        for (index, element) in elements.enumerated() {
            var nested = FieldReader(element, path: reader.path + [name, String(index)])
            body(&nested)
            reader.adopt(nested)
        }
    }

    private static func word<Word: RawRepresentable & CaseIterable>(
        _: Word.Type, _ name: String, _ presence: FieldReader.Presence, _ reader: inout FieldReader
    ) where Word.RawValue == String {
        var ignored: Word?
        if reader.document[name]?.isNull == true, presence == .required { return reader.report(name, "Required") }
        reader.choice(name, presence, into: &ignored)
    }

    private static func eachWord<Word: RawRepresentable & CaseIterable>(
        _: Word.Type, _ name: String, _ reader: inout FieldReader
    ) where Word.RawValue == String {
        guard let value = reader.member(name, .required) else { return }
        guard let words = value.elements else { return reader.report(name, "Expected array") }
        if !words.allSatisfy({ $0.text.flatMap(Word.init(rawValue:)) != nil }) {
            let known = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: " | ")
            reader.report(name, "Invalid enum value. Expected \(known)")
        }
    }

    private static func strings(_ name: String, _ presence: FieldReader.Presence, _ reader: inout FieldReader) {
        guard let value = reader.member(name, presence) else { return }
        guard let elements = value.elements else { return reader.report(name, "Expected array") }
        if !elements.allSatisfy({ $0.text != nil }) { reader.report(name, "Expected array of strings") }
    }
}

extension JSONValue {
    /// The object with `name` set, unless it already has a value that is not null.
    func filling(_ name: String, with value: JSONValue) -> JSONValue {
        guard members != nil, self[name] == nil || self[name]?.isNull == true else { return self }
        return replacing(name, with: value)
    }

    /// The object with `name` set to `value`, in the place it had.
    func replacing(_ name: String, with value: JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        if let index = members.lastIndex(where: { $0.name == name }) {
            members[index].value = value
        } else {
            members.append(Member(name, value))
        }
        return .object(members)
    }
}
