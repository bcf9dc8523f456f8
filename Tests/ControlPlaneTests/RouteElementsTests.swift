@testable import ControlPlane
import Testing

@Suite("Elements of dynamic routes")
struct RouteElementsTests {
    private static let start = #"{"id":"s","type":"start","outputs":{"next":{"elementId":"m"}}}"#
    private static let model = """
        {"id":"m","type":"model","properties":{"provider":"openai","model":"gpt-5-mini","timeout":30000,"retries":1},\
        "outputs":{"success":{"elementId":"e"},"fallback":{"elementId":"e"}}}
        """
    private static let end = #"{"id":"e","type":"end","outputs":{}}"#

    private func read(_ elements: String) throws -> (elements: [JSONValue], problems: [FieldProblem]) {
        var reader = FieldReader(try JSONValue(parsing: #"{"elements":[\#(elements)]}"#))
        let read = RouteElements.read(&reader)
        return (read, reader.problems)
    }

    private func canRun(_ elements: String...) throws -> Bool {
        let (read, problems) = try read(elements.joined(separator: ","))
        #expect(problems.isEmpty, "\(problems)")
        return RouteGraphCheck.canRun(read, branches: 5)
    }

    private func replacing(_ text: String, _ old: String, _ new: String) -> String {
        let parts = text.split(separator: old, omittingEmptySubsequences: false)
        #expect(parts.count > 1, "\(old) is not in \(text)")
        return parts.joined(separator: new)
    }

    @Test("a graph from start to end can be run")
    func whole() throws { #expect(try canRun(Self.start, Self.model, Self.end)) }

    @Test("a graph that lacks something is sound in its parts but cannot be run")
    func incomplete() throws {
        #expect(try !canRun(Self.start))
        #expect(try !canRun(Self.start, Self.model))
        #expect(try !canRun(Self.model, Self.end))
        #expect(try !canRun(Self.start, Self.start, Self.model, Self.end))
        #expect(
            try !canRun(Self.start, replacing(Self.model, #"{"elementId":"e"}"#, #"{"elementId":"gone"}"#), Self.end))
        #expect(try !canRun(Self.start, replacing(Self.model, #""fallback""#, #""other""#), Self.end))
        // A bare target is stored as it was sent.
        #expect(try !canRun(#"{"id":"s","type":"start","outputs":{"elementId":"m"}}"#, Self.model, Self.end))
    }

    @Test("a circle cannot be run, two ways to one element can")
    func circles() throws {
        let back = replacing(Self.model, #""fallback":{"elementId":"e"}"#, #""fallback":{"elementId":"m"}"#)
        #expect(try !canRun(Self.start, back, Self.end))
        let second = replacing(replacing(Self.model, #""id":"m""#, #""id":"n""#), "gpt-5-mini", "other")
        let first = replacing(Self.model, #""fallback":{"elementId":"e"}"#, #""fallback":{"elementId":"n"}"#)
        #expect(try canRun(Self.start, first, second, Self.end))
        let toFirst = replacing(second, #""fallback":{"elementId":"e"}"#, #""fallback":{"elementId":"m"}"#)
        #expect(try !canRun(Self.start, first, toFirst, Self.end))
    }

    @Test(
        "shares of a percentage element add up",
        arguments: [
            (#""10%":T,"else":T"#, true), (#""50%":T,"50.0%":T"#, true), (#""60%":T,"50%":T,"else":T"#, false),
            (#""50%":T"#, false), (#""else":T"#, false), (#""ten":T,"else":T"#, false), (#""-5%":T,"else":T"#, false),
            (#""1%":T,"2%":T,"3%":T,"4%":T,"5%":T,"else":T"#, true),
            (#""1%":T,"2%":T,"3%":T,"4%":T,"5%":T,"6%":T,"else":T"#, false),
        ])
    func shares(outputs: String, isValid: Bool) throws {
        let targets = replacing(outputs, ":T", #":{"elementId":"m"}"#)
        let element = #"{"id":"p","type":"percentage","outputs":{\#(targets)}}"#
        let start = replacing(Self.start, #""elementId":"m""#, #""elementId":"p""#)
        #expect(try canRun(start, element, Self.model, Self.end) == isValid)
    }

    @Test(
        "conditions may nest and have known operators only",
        arguments: [
            (#"{"metadata.plan":{"$eq":"free"}}"#, true), (#"{"metadata.plan":"free"}"#, true),
            (#"{"$or":[{"a":{"$in":["x"]}},{"$and":[{"b":{"$not":{"$gte":2}}},{"c":{"$exists":true}}]}]}"#, true),
            (#"{"a":{"$regex":"x"}}"#, false), (#"{"$or":[{"a":{"$where":"x"}}]}"#, false),
            (#"{"$or":{"a":1}}"#, false), (#"{"a":{"$in":"x"}}"#, false), (#"{"a":{"$not":3}}"#, false),
        ])
    func conditions(conditions: String, isValid: Bool) throws {
        let element = """
            {"id":"c","type":"conditional","properties":{"conditions":\(conditions)},\
            "outputs":{"true":{"elementId":"m"},"false":{"elementId":"e"}}}
            """
        let start = replacing(Self.start, #""elementId":"m""#, #""elementId":"c""#)
        #expect(try canRun(start, element, Self.model, Self.end) == isValid)
    }

    @Test("a model is tried a number of times and for a time that can be")
    func bounds() throws {
        for (properties, isValid) in [
            (#""timeout":1,"retries":5"#, true), (#""timeout":30000,"retries":6"#, false),
            (#""timeout":0,"retries":0"#, false),
        ] {
            let model = replacing(Self.model, #""timeout":30000,"retries":1"#, properties)
            #expect(try canRun(Self.start, model, Self.end) == isValid, "\(properties)")
        }
    }

    @Test("older names are taken and answered with today's")
    func aliases() throws {
        let (elements, problems) = try read(
            """
            {"id":"r","type":"rate_limit","properties":{"key":"metadata.user","limit":5,"interval":60,"technique":"x"},\
            "outputs":{"success":{"elementId":"e"},"fallback":{"elementId":"e"}}},\
            {"id":"c","type":"conditional","properties":{"condition":{"a":1}},"outputs":{"true":{"elementId":"e"}}}
            """
        )
        #expect(problems.isEmpty)
        #expect(elements[0]["type"] == "rate")
        #expect(elements[0]["properties"]?["window"] == 60)
        #expect(elements[0]["properties"]?["interval"] == nil)
        #expect(elements[0]["properties"]?["limitType"] == "count")
        #expect(elements[0]["properties"]?["technique"] == "x")
        #expect(elements[1]["properties"]?["conditions"] == ["a": 1])
    }

    @Test(
        "a bad part is named by its path",
        arguments: [
            (#"{"type":"end","outputs":{}}"#, ["0", "id"]), (#"{"id":"x","outputs":{}}"#, ["0", "type"]),
            (#"{"id":"x","type":"jump","outputs":{}}"#, ["0", "type"]),
            (#"{"id":"x","type":null,"outputs":{}}"#, ["0", "type"]), (#"{"id":"x","type":"end"}"#, ["0", "outputs"]),
            (#"{"id":"x","type":"start","outputs":{"next":"y"}}"#, ["0", "outputs", "next"]),
            (#"{"id":"x","type":"start","outputs":{"next":{}}}"#, ["0", "outputs", "next", "elementId"]),
            (#"{"id":"x","type":"model","outputs":{}}"#, ["0", "properties"]),
            (#"{"id":"x","type":"model","outputs":{},"properties":{"provider":"p"}}"#, ["0", "properties", "model"]),
            (
                #"{"id":"x","type":"rate","outputs":{},"properties":{"key":"k","limit":0,"limitType":"cost","window":1}}"#,
                ["0", "properties", "limit"]
            ),
            (
                #"{"id":"x","type":"conditional","outputs":{},"properties":{"conditions":[]}}"#,
                ["0", "properties", "conditions"]
            ),
            (#"17"#, ["0"]),
        ])
    func problems(element: String, path: [String]) throws {
        let problems = try read(element).problems
        #expect(problems.map(\.path).contains(["body", "elements"] + path), "\(problems)")
    }

    @Test("a long chain costs no stack")
    func depth() throws {
        let count = RouteElements.maximumCount
        var elements = [#"{"id":"0","type":"start","outputs":{"next":{"elementId":"1"}}}"#]
        for index in 1..<(count - 1) {
            elements.append(
                """
                {"id":"\(index)","type":"percentage","outputs":{"50%":{"elementId":"\(index + 1)"},\
                "else":{"elementId":"\(index + 1)"}}}
                """
            )
        }
        elements.append(#"{"id":"\#(count - 1)","type":"end","outputs":{}}"#)
        let (read, problems) = try read(elements.joined(separator: ","))
        #expect(problems.isEmpty)
        #expect(read.count == count)
        #expect(RouteGraphCheck.canRun(read, branches: 5))
        let tooMany = try self.read((elements + [Self.end]).joined(separator: ","))
        #expect(tooMany.problems.map(\.path) == [["body", "elements"]])
    }

    @Test("a percentage element has as many shares as the operator allows, beside else")
    func branches() throws {
        let shares = (1...6).map { #""\#($0)%":{"elementId":"e"}"# }.joined(separator: ",")
        let element = #"{"id":"p","type":"percentage","outputs":{\#(shares),"else":{"elementId":"e"}}}"#
        let start = #"{"id":"s","type":"start","outputs":{"next":{"elementId":"p"}}}"#
        let (read, problems) = try read([start, element, Self.end].joined(separator: ","))
        #expect(problems.isEmpty)
        #expect(!RouteGraphCheck.canRun(read, branches: 5))
        #expect(RouteGraphCheck.canRun(read, branches: 6))
    }
}
