import GatewayCore
import TestKit
import Testing

@testable import Pipeline

@WorkerLoop
private final class SharedNotes: ReasoningStore {
    var notes: [String: String] = [:]
    private(set) var asked: [[String]] = []

    func find(_ calls: [String], of kind: ReasoningKind, in scope: ReasoningScope) async -> [String: String] {
        asked.append(calls)
        return notes.filter { calls.contains($0.key) }
    }

    func keep(_ notes: [ReasoningNote], of kind: ReasoningKind, in scope: ReasoningScope) {
        for note in notes { self.notes[note.callID] = note.content }
    }
}

@Suite("Remembered reasoning")
struct ReasoningMemoryTests {
    private static let scope = ReasoningScope(account: "a", gateway: "g", reach: .fleet)
    private static let ownScope = ReasoningScope(account: "a", gateway: "g", reach: .worker)

    private static func note(_ id: String, _ content: String = "r") -> ReasoningNote {
        ReasoningNote(callID: id, content: content)
    }

    @Test("notes are found by whom they belong to, by kind and by call, for a day")
    func scopes() async {
        await TestLoop.run {
            let clock = ManualClock()
            let memory = ReasoningMemory(shared: nil, clock: clock)
            memory.keep([Self.note("c1"), Self.note("c2", "s")], of: .text, in: Self.scope)
            #expect(await memory.find(["c1", "c2", "c3"], of: .text, in: Self.scope) == ["c1": "r", "c2": "s"])
            #expect(await memory.find(["c1"], of: .text, in: Self.ownScope) == ["c1": "r"])
            #expect(await memory.find(["c1"], of: .signature, in: Self.scope) == [:])
            for (account, gateway) in [("b", "g"), ("a", "h")] as [(AccountID, GatewayID)] {
                let other = ReasoningScope(account: account, gateway: gateway, reach: .fleet)
                #expect(await memory.find(["c1"], of: .text, in: other) == [:])
            }
            memory.keep([Self.note("c1", "newer")], of: .text, in: Self.scope)
            #expect(await memory.find(["c1"], of: .text, in: Self.scope) == ["c1": "newer"])
            clock.advance(by: .seconds(86_400))
            #expect(await memory.find(["c1", "c2"], of: .text, in: Self.scope) == [:])
        }
    }

    @Test("others are asked only for what is not known here, and never where contents must not be stored")
    func reach() async {
        await TestLoop.run {
            let shared = SharedNotes()
            shared.notes = ["far": "away"]
            let memory = ReasoningMemory(shared: shared, clock: ManualClock())
            memory.keep([Self.note("near")], of: .text, in: Self.scope)
            #expect(shared.notes["near"] == "r")
            #expect(await memory.find(["near", "far"], of: .text, in: Self.scope) == ["near": "r", "far": "away"])
            #expect(shared.asked == [["far"]])
            memory.keep([Self.note("private")], of: .text, in: Self.ownScope)
            #expect(shared.notes["private"] == nil)
            #expect(await memory.find(["far", "private"], of: .text, in: Self.ownScope) == ["private": "r"])
            #expect(shared.asked.count == 1)
        }
    }

    @Test("what is too long, too much or empty is not remembered; the oldest goes first")
    func bounds() async {
        await TestLoop.run {
            let memory = ReasoningMemory(shared: nil, clock: ManualClock(), capacity: 10_000)
            let long = String(repeating: "x", count: ReasoningBounds.note + 1)
            memory.keep(
                [Self.note("long", long), Self.note(""), Self.note("empty", ""), Self.note(String(long.prefix(257)))],
                of: .text, in: Self.scope
            )
            #expect(memory.size == 0)
            let kilobyte = String(repeating: "x", count: 1000)
            for number in 0..<100 { memory.keep([Self.note("c\(number)", kilobyte)], of: .text, in: Self.scope) }
            #expect((8000...10_000).contains(memory.size))
            #expect(await memory.find(["c99", "c0"], of: .text, in: Self.scope) == ["c99": kilobyte])
            // The same call again and again takes its place once.
            for _ in 0..<1000 { memory.keep([Self.note("same")], of: .text, in: Self.scope) }
            #expect(await memory.find(["same", "c99"], of: .text, in: Self.scope).count == 2)
            memory.keep((0..<100).map { Self.note("n\($0)") }, of: .signature, in: Self.scope)
            #expect(await memory.find((0..<100).map { "n\($0)" }, of: .signature, in: Self.scope).count <= 64)
        }
    }
}
