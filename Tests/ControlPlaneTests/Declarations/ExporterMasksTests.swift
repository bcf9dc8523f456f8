import GatewayCore
import Testing

@testable import ControlPlane

@Suite("Masked header values of exporters")
struct ExporterMasksTests {
    private static let vendor = "https://vendor.example/v1/traces"

    private func exporter(_ url: String, _ key: String, header: String = "authorization") -> JSONValue {
        ["url": .string(url), "headers": .object([.init(header, .string(key))])]
    }

    /// The values after completion, or the problems.
    private func complete(_ declared: [JSONValue], from stored: [JSONValue]) -> [String] {
        let masks = ExporterMasks(declared, stored: stored)
        guard masks.problems.isEmpty else {
            return masks.problems.map { $0.path.joined(separator: ".") + ": " + $0.message }
        }
        return masks.completed.map { $0["headers"]?["authorization"]?.text ?? "-" }
    }

    @Test("several exporters with one URL keep a value each, in their order")
    func sameURL() {
        let stored = [exporter(Self.vendor, "K1"), exporter(Self.vendor, "K2")]
        let masked = exporter(Self.vendor, "****")
        #expect(complete([masked, masked], from: stored) == ["K1", "K2"])
        #expect(complete([masked, masked, exporter(Self.vendor, "K3")], from: stored) == ["K1", "K2", "K3"])
        // One put in front leaves the last one without a value: that is told, and nothing is guessed.
        let inserted = complete([exporter(Self.vendor, "K0"), masked, masked], from: stored)
        #expect(inserted.count == 1 && inserted[0].hasPrefix("2.headers.authorization: ****"), "\(inserted)")
        // Other names of headers belong to each exporter of its own.
        let other = exporter(Self.vendor, "K2", header: "x-key")
        let both = ExporterMasks(
            [masked, exporter(Self.vendor, "****", header: "x-key")], stored: [stored[0], other])
        #expect(both.problems.isEmpty && both.completed[1]["headers"]?["x-key"]?.text == "K2")
    }

    @Test("one of several with a URL that goes leaves no doubt whose value stays")
    func removal() {
        let stored = [exporter(Self.vendor, "K1"), exporter(Self.vendor, "K2")]
        let told = complete([exporter(Self.vendor, "****")], from: stored)
        #expect(told.count == 1 && told[0].contains("does not say whose value"), "\(told)")
        #expect(complete([exporter(Self.vendor, "K2")], from: stored) == ["K2"])
        #expect(complete([exporter(Self.vendor, "****")], from: [stored[0], stored[0]]) == ["K1"])
    }

    @Test("a value goes to no URL that it was not stored for, but to another path at its place")
    func otherURL() {
        let stored = [exporter("https://a.example/v1", "KA")]
        let masked = exporter("https://a.example/v1", "****")
        // An entry copied above the old one.
        let copied = complete([exporter("https://b.example/v1", "****"), masked], from: stored)
        #expect(copied.count == 1 && copied[0].hasPrefix("0.headers.authorization: ****"), "\(copied)")
        let replaced = complete([exporter("https://b.example/v1", "****")], from: stored)
        #expect(replaced.count == 1 && replaced[0].contains("does not go to another host"), "\(replaced)")
        #expect(complete([exporter("https://a.example/v2?x=1", "****")], from: stored) == ["KA"])
        for url in ["http://a.example/v1", "https://a.example:444/v1", "https://a.example.evil/v1", "https:a.example"] {
            #expect(complete([exporter(url, "****")], from: stored) != ["KA"], "\(url)")
        }
        // The same host does not help when another entry is the stored one.
        #expect(
            complete([exporter("https://a.example/v2", "****"), masked], from: stored).first?.contains("****") ?? false)
        #expect(complete([exporter("https://a.example/v2", "****")], from: []).first?.contains("none is") ?? false)
    }
}
