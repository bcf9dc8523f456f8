import NIOCore
import Testing

@testable import GatewayCore

@Suite("Log ids")
struct LogIDTests {
    @Test("have 26 characters that read back to the same id")
    func roundTrip() throws {
        for (high, low) in [(UInt64.min, UInt64.min), (.max, .max), (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)] {
            let id = LogID(high: high, low: low)
            let text = id.description
            #expect(text.utf8.count == 26)
            #expect(LogID(text) == id)
            #expect(LogID(text.lowercased()) == id)
            var buffer = ByteBuffer()
            id.write(into: &buffer)
            #expect(String(buffer: buffer) == text)
        }
    }

    @Test("of known bits have the documented form")
    func knownForm() {
        #expect(LogID(high: 0, low: 0).description == "00000000000000000000000000")
        #expect(LogID(high: .max, low: .max).description == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
        #expect(LogID(high: 0, low: 31).description == "0000000000000000000000000Z")
        // Bit 64 falls into the thirteenth digit from the right: 64 = 12 × 5 + 4.
        #expect(LogID(high: 1, low: 0).description == "0000000000000G000000000000")
    }

    @Test("sort by time as text")
    func order() {
        var random = SystemRandomNumberGenerator()
        let early = LogID(milliseconds: 1_000, random: &random)
        let late = LogID(milliseconds: 1_001, random: &random)
        #expect(early.description < late.description)
        #expect(early < late)
        #expect(late.milliseconds == 1_001)
    }

    @Test("refuse other lengths, other letters and numbers beyond 128 bits")
    func refusals() {
        #expect(LogID("01JADMCQQQBWH3NXZ5GCRN98D") == nil)
        #expect(LogID("01JADMCQQQBWH3NXZ5GCRN98DU") == nil)
        #expect(LogID("8ZZZZZZZZZZZZZZZZZZZZZZZZZ") == nil)
        #expect(LogID("01JADMCQQQBWH3NXZ5GCRN98DP") != nil)
    }
}
