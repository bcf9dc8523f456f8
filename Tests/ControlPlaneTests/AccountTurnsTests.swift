@testable import ControlPlane
import GatewayCore
import Synchronization
import Testing

@Suite("The turns of accounts", .timeLimit(.minutes(1)))
struct AccountTurnsTests {
    /// Holds places until it is opened.
    private final class Gate: Sendable {
        private let state = Mutex<(isOpen: Bool, inside: Int, most: Int, refused: Int)>((false, 0, 0, 0))
        var inside: Int { state.withLock { $0.inside } }
        var most: Int { state.withLock { $0.most } }
        var refused: Int { state.withLock { $0.refused } }
        func refuse() { state.withLock { $0.refused += 1 } }
        func open() { state.withLock { $0.isOpen = true } }
        func pass() async throws {
            state.withLock {
                $0.inside += 1
                $0.most = max($0.most, $0.inside)
            }
            defer { state.withLock { $0.inside -= 1 } }
            while !state.withLock({ $0.isOpen }) { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    private func until(_ condition: () -> Bool) async throws {
        while !condition() { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test("two of an account run, some wait, more are refused, and other accounts notice nothing")
    func bounds() async throws {
        let turns = AccountTurns(places: 2, waiting: 3)
        let gate = Gate()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<9 {
                group.addTask {
                    do {
                        try await turns.take("a") { try await gate.pass() }
                    } catch is AccountTurns.TooManyWait {
                        gate.refuse()
                    }
                }
            }
            try await until { gate.inside == 2 && gate.refused == 4 }
            #expect(try await turns.take("b") { 7 } == 7)
            gate.open()
            try await group.waitForAll()
        }
        #expect(gate.most <= 2)
        #expect(gate.refused == 4)
        // All places are free again.
        #expect(try await turns.take("a") { try await turns.take("a") { 1 } } == 1)
    }

    @Test("who goes away leaves the line, and who fails leaves the place")
    func leaving() async throws {
        struct Failure: Error {}
        let turns = AccountTurns(places: 1, waiting: 1)
        let gate = Gate()
        let holder = Task { try await turns.take("a") { try await gate.pass() } }
        try await until { gate.inside == 1 }
        for _ in 0..<20 {
            let waiter = Task { try await turns.take("a") { Issue.record("it was not its turn") } }
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
        }
        let patient = Task { try await turns.take("a") { throw Failure() } }
        gate.open()
        try await holder.value
        await #expect(throws: Failure.self) { try await patient.value }
        #expect(try await turns.take("a") { 1 } == 1)
    }
}
