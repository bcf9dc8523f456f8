import Foundation
import Logging
import Telemetry
import Testing

@Suite("Lines of the process log")
struct StandardErrorLogTests {
    /// What one call writes, with the time replaced.
    private func written(
        _ format: LogFormat, level: Logger.Level = .info, threshold: Logger.Level = .info, _ message: String,
        _ metadata: Logger.Metadata = [:]
    ) -> String {
        let pipe = Pipe()
        let handler = StandardErrorLog(
            level: threshold, format: format, process: "worker 1",
            descriptor: pipe.fileHandleForWriting.fileDescriptor
        )
        Logger(label: "t") { _ in handler }.log(level: level, "\(message)", metadata: metadata)
        pipe.fileHandleForWriting.closeFile()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        return text.replacing(#/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/#, with: "TIME")
    }

    @Test("text for people")
    func text() {
        #expect(
            written(.text, level: .notice, "worker started", ["aig.slot": "1", "other": "a b", "empty": ""])
                == "TIME NOTICE   worker 1: worker started slot=1 empty=\"\" other=\"a b\"\n")
    }

    @Test("JSON for machines")
    func json() throws {
        let line = written(.json, level: .warning, "log record dropped", ["aig.reason": "say \"no\"\n\u{1}"])
        #expect(
            line == #"{"time":"TIME","level":"warning","process":"worker 1","message":"log record dropped","#
                + #""aig.reason":"say \"no\"\n\u0001"}"# + "\n")
        let object = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        #expect(object["aig.reason"] == "say \"no\"\n\u{1}")
    }

    @Test("nothing that is logged can fake a line or move a terminal")
    func injection() {
        for format in LogFormat.allCases {
            let line = written(format, "x", ["aig.reason": "a\nTIME ERROR worker 1: fake\u{1b}[2J\u{2028}\u{85}\r"])
            #expect(line.filter(\.isNewline).count == 1)
            #expect(!line.contains("\u{1b}"))
        }
    }

    @Test("a long value is cut")
    func longValue() {
        let line = written(.json, "x", ["aig.reason": "\(String(repeating: "é", count: 5000))"])
        #expect(line.utf8.count < 4400)
        #expect(line.contains("é…\""))
    }

    @Test("lines below the level are not written")
    func level() {
        #expect(written(.text, level: .debug, threshold: .info, "quiet") == "")
        #expect(written(.text, level: .error, threshold: .error, "loud") == "TIME ERROR    worker 1: loud\n")
    }
}
