@testable import AdminAPI
import ControlPlane
import Testing

@Suite("Filters in a query")
struct FilterQueryTests {
    private func read(_ query: String) throws -> [String] {
        try FilterQuery.read(QueryItems(decoding: query)).map { filter in
            filter.key + " " + filter.operation + " " + JSONValue.array(filter.values).encoded
        }
    }

    @Test(
        "every encoding says the same",
        arguments: [
            #"filters=[{"key":"provider","operator":"eq","value":["openai"]}]"#,
            #"filters=%5B%7B%22key%22%3A%22provider%22%2C%22operator%22%3A%22eq%22%2C%22value%22%3A%5B%22openai%22%5D%7D%5D"#,
            #"filters={"key":"provider","operator":"eq","value":"openai"}"#,
            "filters.key=provider&filters.operator=eq&filters.value=openai",
            "filters.key=provider&filters.operator=eq&filters.value=%5B%22openai%22%5D",
            "filters[0][key]=provider&filters[0][operator]=eq&filters[0][value][]=openai",
            "filters%5B0%5D%5Bkey%5D=provider&filters%5B0%5D%5Boperator%5D=eq&filters%5B0%5D%5Bvalue%5D%5B0%5D=openai",
            "filters[key]=provider&filters[operator]=eq&filters[value]=openai",
            "filters[][key]=provider&filters[][operator]=eq&filters[][value]=openai",
        ])
    func encodings(query: String) throws {
        #expect(try read(query) == [#"provider eq ["openai"]"#])
    }

    @Test("dotted parts are paired by position")
    func pairing() throws {
        #expect(
            try read(
                "filters.key=provider&filters.key=cost&filters.operator=eq&filters.operator=gt"
                    + "&filters.value=openai&filters.value=0.1"
            ) == [#"provider eq ["openai"]"#, #"cost gt ["0.1"]"#]
        )
        #expect(
            try read("filters.key=model&filters.operator=eq&filters.value=a&filters.value=b") == [
                #"model eq ["a","b"]"#
            ]
        )
        #expect(try read("filters.key=model&filters.operator=eq") == ["model eq []"])
        #expect(try read("") == [])
        #expect(try read("filters=") == [])
        #expect(try read("filters=[]") == [])
    }

    @Test(
        "what cannot be told apart is refused",
        arguments: [
            "filters.key=a&filters.key=b&filters.operator=eq&filters.operator=eq&filters.value=1",
            "filters.key=a", "filters.value=a", "filters.operator=eq", "filters=x", "filters=[1]", "filters=7",
            #"filters=[{"key":"a","operator":"eq"}]"#, #"filters=[{"operator":"eq","value":[]}]"#, "filters.other=1",
            "filters[0][key]=a", "filters[99999999999]=1", "filters[0][x]=1",
        ])
    func refusal(query: String) {
        #expect(throws: APIProblem.self) { try read(query) }
    }

    @Test(
        "queries are decoded without loss and without trapping",
        arguments: [
            ("a=1&b=%20+x", [("a", "1"), ("b", "  x")]), ("a", [("a", "")]), ("=&&a=b=c", [("", ""), ("a", "b=c")]),
            ("a=%", [("a", "%")]), ("a=%4", [("a", "%4")]), ("a=%zz", [("a", "%zz")]), ("a=%C3%A4", [("a", "ä")]),
        ])
    func decoding(query: String, expected: [(String, String)]) {
        let items = QueryItems(decoding: query).items.map { [$0.name, $0.value] }
        #expect(items == expected.map { [$0.0, $0.1] })
    }
}
