/// The elements of a dynamic route as a caller sent them, checked one by one (control-plane.md §6.2).
///
/// What an element is made of has to be right; whether the elements together make a graph that can be run is told by
/// `RouteGraphCheck`, and one that cannot is stored all the same.
enum RouteElements {
    /// More cannot be drawn, nor followed by a reader.
    static let maximumCount = 500
    private static let names = 1...256

    /// What an element does.
    enum Kind: String, CaseIterable { case start, conditional, percentage, rate, model, end }
    private enum LimitType: String, CaseIterable { case count, cost }

    /// Older names, from the documentation's JSON page.
    private static let aliases = ["rate_limit": "rate"]

    /// Reads `elements`; answers with today's names.
    static func read(_ reader: inout FieldReader) -> [JSONValue] {
        guard let value = reader.member("elements", .required) else { return [] }
        guard let elements = value.elements else {
            reader.report("elements", "Expected array")
            return []
        }
        if elements.isEmpty { reader.report("elements", "Array must contain at least 1 element(s)") }
        guard elements.count <= maximumCount else {
            reader.report("elements", "Array must contain at most \(maximumCount) element(s)")
            return []
        }
        return elements.enumerated().map { index, element in
            var form = FieldReader(renamed(element), path: reader.path + ["elements", String(index)])
            check(&form)
            reader.adopt(form)
            return form.document
        }
    }

    private static func check(_ form: inout FieldReader) {
        _ = form.requiredString("id", lengths: names)
        var kind: Kind?
        if form.document["type"]?.isNull == true { form.report("type", "Required") }
        form.choice("type", .required, into: &kind)
        checkOutputs(&form)
        switch kind {
        case .rate, .model:
            guard let value = form.member("properties", .required) else { break }
            var properties = FieldReader(value, path: form.path + ["properties"])
            if kind == .rate { checkRate(&properties) } else { checkModel(&properties) }
            form.adopt(properties)
        case .conditional:
            guard let value = form.member("properties", .required) else { break }
            var properties = FieldReader(value, path: form.path + ["properties"])
            if let conditions = properties.member("conditions", .required), conditions.members == nil {
                properties.report("conditions", "Expected an object")
            }
            form.adopt(properties)
        case .start, .percentage, .end, nil:
            if let value = form.member("properties"), !value.isNull, value.members == nil {
                form.report("properties", "Expected an object")
            }
        }
    }

    /// A map of outputs, or a bare target, which the Terraform provider sends for what it has no names for.
    private static func checkOutputs(_ form: inout FieldReader) {
        guard let value = form.member("outputs", .required) else { return }
        var outputs = FieldReader(value, path: form.path + ["outputs"])
        for output in value.members ?? [] {
            if output.name == "elementId" {
                _ = outputs.requiredString("elementId", lengths: names)
                continue
            }
            var target = FieldReader(output.value, path: outputs.path + [output.name])
            _ = target.requiredString("elementId", lengths: names)
            outputs.adopt(target)
        }
        form.adopt(outputs)
    }

    private static func checkRate(_ form: inout FieldReader) {
        _ = form.requiredString("key", lengths: names)
        positive("limit", &form)
        positive("window", &form)
        var type: LimitType?
        if form.document["limitType"]?.isNull == true { form.report("limitType", "Required") }
        form.choice("limitType", .required, into: &type)
    }

    private static func checkModel(_ form: inout FieldReader) {
        _ = form.requiredString("provider", lengths: names)
        _ = form.requiredString("model", lengths: 1...512)
        var count: Int?
        form.integer("timeout", in: 0...3_600_000, into: &count)
        form.integer("retries", in: 0...100, into: &count)
    }

    private static func positive(_ name: String, _ form: inout FieldReader) {
        guard let value = form.member(name, .required) else { return }
        guard let number = value.double else { return form.report(name, "Expected number") }
        if number <= 0 { form.report(name, "Number must be greater than 0") }
    }

    /// An element with older names replaced.
    private static func renamed(_ element: JSONValue) -> JSONValue {
        guard let type = element["type"]?.text else { return element }
        var element = element
        if let name = aliases[type] { element = element.replacing("type", with: .string(name)) }
        guard var properties = element["properties"], properties.members != nil else { return element }
        switch element["type"]?.text {
        case Kind.rate.rawValue:
            properties = properties.renaming("interval", to: "window").renaming("limit_type", to: "limitType")
            if type != Kind.rate.rawValue { properties = properties.filling("limitType", with: "count") }
        case Kind.conditional.rawValue: properties = properties.renaming("condition", to: "conditions")
        default: return element
        }
        return element.replacing("properties", with: properties)
    }
}

extension JSONValue {
    /// The object with a member under another name, unless that is there already.
    fileprivate func renaming(_ name: String, to other: String) -> JSONValue {
        guard case .object(var members) = self, self[other] == nil,
            let index = members.lastIndex(where: { $0.name == name })
        else { return self }
        members[index].name = other
        return .object(members)
    }
}
