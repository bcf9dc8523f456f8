import NIOCore
import Testing
import WireFormats

@Suite("Edits of JSON documents")
struct JSONEditsTests {
    private func edited(_ text: String, _ change: (JSONView, inout JSONEdits) -> Void) -> String {
        Array(text.utf8).withUnsafeBytes { bytes in
            var edits = JSONEdits(bytes)
            change(JSONView(bytes), &edits)
            return String(buffer: edits.applied())
        }
    }

    private func without(_ names: Set<String>, _ text: String, adding added: [String] = []) -> String {
        edited(text) { view, edits in
            edits.edit(view, adding: added) { key, _ in
                names.contains(String(decoding: key, as: UTF8.self)) ? .remove : .keep
            }
        }
    }

    @Test(
        "take members out with one of the commas around them",
        arguments: [
            (#"{"a":1,"b":2,"c":3}"#, ["a"], #"{"b":2,"c":3}"#),
            (#"{"a":1,"b":2,"c":3}"#, ["b"], #"{"a":1,"c":3}"#),
            (#"{"a":1,"b":2,"c":3}"#, ["c"], #"{"a":1,"b":2}"#),
            (#"{"a":1,"b":2,"c":3}"#, ["a", "b"], #"{"c":3}"#),
            (#"{"a":1,"b":2,"c":3}"#, ["b", "c"], #"{"a":1}"#),
            (#"{"a":1,"b":2,"c":3}"#, ["a", "c"], #"{"b":2}"#),
            (#"{"a":1,"b":2,"c":3}"#, ["a", "b", "c"], "{}"),
            ("{ \"a\" : 1 ,\n\t\"b\" : [2,{}] }", ["a"], "{ \"b\" : [2,{}] }"),
            ("{ \"a\" : 1 ,\n\t\"b\" : [2,{}] }", ["b"], "{ \"a\" : 1 }"),
            (#"{"\u0061":1,"b":2}"#, ["a"], #"{"b":2}"#), (#"{"":1,"b":2}"#, [""], #"{"b":2}"#),
            (#"{"a":1,"a":2,"b":3}"#, ["a"], #"{"b":3}"#), ("{}", ["a"], "{}"), ("[1]", ["a"], "[1]"),
        ] as [(String, Set<String>, String)])
    func removal(text: String, names: Set<String>, expected: String) {
        #expect(without(names, text) == expected)
    }

    @Test("put new members first, whatever goes or stays")
    func addition() {
        #expect(without([], #"{"a":1}"#, adding: [#""x":0"#]) == #"{"x":0,"a":1}"#)
        #expect(without(["a"], #"{"a":1}"#, adding: [#""x":0"#]) == #"{"x":0}"#)
        #expect(without(["a"], #"{"a":1,"b":2}"#, adding: [#""x":0"#, #""y":1"#]) == #"{"x":0,"y":1,"b":2}"#)
        #expect(without([], "{ }", adding: [#""x":0"#]) == #"{"x":0 }"#)
    }

    @Test("replace values, keys and whole members, at any depth in one pass")
    func replacement() {
        let text = #"{"a":{"deep":[1,{"k":null}]},"b":1.50,"c":"\u00e9"}"#
        let result = edited(text) { view, edits in
            if let inner = view.member("a")?.member("deep")?.lastElement?.member("k") {
                edits.replace(inner, with: "true")
            }
            edits.edit(view) { key, _ in
                switch String(decoding: key, as: UTF8.self) {
                case "b": .key("bee")
                case "c": .member(#""d":[]"#)
                default: .keep
                }
            }
        }
        #expect(result == #"{"a":{"deep":[1,{"k":true}]},"bee":1.50,"d":[]}"#)
    }

    @Test("take elements out of arrays")
    func elements() {
        func kept(_ indices: Set<Int>) -> String {
            edited(#"[ 1, [2] ,{"a":3},"4"]"#) { view, edits in
                edits.filter(view) { index, _ in indices.contains(index) }
            }
        }
        #expect(kept([0, 1, 2, 3]) == #"[ 1, [2] ,{"a":3},"4"]"#)
        #expect(kept([1, 3]) == #"[ [2] ,"4"]"#)
        #expect(kept([0]) == "[ 1]")
        #expect(kept([]) == "[ ]")
    }

    @Test("for any subset of members, what is left is valid and in its old order and spelling")
    func anySubset() {
        let members = [#""a":1"#, #" "b" : [1, 2]"#, "\n\"c\":{\"x\":null}", #""d":"\"}""#, #""e":-0.0 "#]
        for mask in 0..<32 {
            let text = "{" + members.joined(separator: ",") + "}"
            let gone = Set(
                ["a", "b", "c", "d", "e"].enumerated().filter { mask & (1 << $0.offset) == 0 }.map(\.element))
            let result = without(gone, text)
            Array(result.utf8).withUnsafeBytes { bytes in
                #expect(JSONScan.validate(bytes), "\(result)")
                var names: [String] = []
                JSONView(bytes).forEachMember { names.append($0 + "=" + String(decoding: $1.bytes, as: UTF8.self)) }
                let expected = zip(["a", "b", "c", "d", "e"], ["1", "[1, 2]", #"{"x":null}"#, #""\"}""#, "-0.0"])
                    .filter { !gone.contains($0.0) }.map { "\($0.0)=\($0.1)" }
                #expect(names == expected)
            }
        }
    }

    @Test("changes nothing that is not part of the document")
    func foreign() {
        let other = Array("[1]".utf8)
        let result = edited("{}") { _, edits in
            other.withUnsafeBytes { edits.replace(JSONView($0), with: "2") }
        }
        #expect(result == "{}")
    }
}
