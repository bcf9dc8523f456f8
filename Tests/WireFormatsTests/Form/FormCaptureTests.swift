import Testing
import WireFormats

@Suite("FormCapture")
struct FormCaptureTests {
    private static func part(_ head: String, _ body: String) -> String {
        "--xY\r\nContent-Disposition: form-data; \(head)\r\n\r\n\(body)\r\n"
    }

    private static let model = part(#"name="model""#, "whisper-1")
    /// A file whose name, head and contents look like the field.
    private static let file = part(
        #"name="file"; filename="model"\#r\#nContent-Type: audio/wav"#,
        "RIFF--x\r\n--x\r\n\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwrong\r\n-")
    private static let end = "--xY--\r\n"

    private func value(_ form: String, cut: Int? = nil, field: String = "model") -> String? {
        let bytes = Array(form.utf8)
        var capture = FormCapture(field: field)
        let cut = cut ?? bytes.count
        for piece in [bytes[..<cut], bytes[cut...]] { piece.withUnsafeBytes { capture.feed($0) } }
        return capture.value
    }

    @Test(
        "a field is found before and behind a file that looks like it",
        arguments: [
            model + file + end, file + model + end, file + file + model + file + end,
            part(#"name="modality""#, "x") + model + end,
        ])
    func found(form: String) {
        for cut in 0...form.utf8.count { #expect(value(form, cut: cut) == "whisper-1", "cut at \(cut)") }
        var capture = FormCapture(field: "model")
        for byte in form.utf8 { withUnsafeBytes(of: byte) { capture.feed($0) } }
        #expect(capture.value == "whisper-1")
    }

    @Test(
        "what is no such field is none",
        arguments: [
            "", "-", "--", "--xY", "{}", "--xY\r\n", "--\r\n\(model)", file + end, end, model.dropLast(2) + "",
            part(#"name="model""#, String(repeating: "x", count: 300)) + end,
            part(#"name="\#(String(repeating: "x", count: 5000))""#, "x") + model + end,
            "--\(String(repeating: "b", count: 80))\r\n" + model,
            part(#"filename="model""#, "x") + end, part(#"name=model"#, "x") + end,
        ])
    func absent(form: String) {
        #expect(value(form) == nil)
    }

    @Test("the first of two fields counts, and an empty one is empty")
    func first() {
        #expect(value(Self.model + Self.part(#"name="model""#, "other") + Self.end) == "whisper-1")
        #expect(value(Self.part(#"name="model""#, "") + Self.end) == "")
        #expect(value(Self.file + Self.part(#"name="language""#, "de") + Self.end, field: "language") == "de")
    }

    @Test("long files pass, in pieces of any size", arguments: [1, 3, 7, 64, 4096, 65_536])
    func long(size: Int) {
        let form = Array(
            (Self.part(#"name="file"; filename="a""#, String(repeating: "\r\n--x", count: 20_000)) + Self.model
                + Self.end).utf8)
        var capture = FormCapture(field: "model")
        for start in stride(from: 0, to: form.count, by: size) {
            form[start..<min(start + size, form.count)].withUnsafeBytes { capture.feed($0) }
        }
        #expect(capture.value == "whisper-1")
    }
}
