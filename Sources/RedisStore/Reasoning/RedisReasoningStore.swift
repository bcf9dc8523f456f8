package import GatewayCore
import NIOCore

/// Notes on models' reasoning in Redis, where every worker finds them.
///
/// All look-ups of a request are one command; the notes of an answer leave in one write. Redis being away is the same
/// as knowing nothing.
@WorkerLoop
package final class RedisReasoningStore: ReasoningStore {
    private let connection: RedisConnection

    package init(_ connection: RedisConnection) { self.connection = connection }

    package func find(
        _ calls: [String], of kind: ReasoningKind, in scope: ReasoningScope
    ) async -> [String: String] {
        let calls = calls.suffix(ReasoningBounds.lookups).filter { $0.utf8.count <= ReasoningBounds.callID }
        guard !calls.isEmpty else { return [:] }
        let keys = Keys(scope.account, scope.gateway)
        var command = RedisCommand("MGET")
        for call in calls { command.append(keys.reasoning(kind, call)) }
        guard case .array(let elements) = await connection.send(command), elements.count == calls.count else {
            return [:]
        }
        var found: [String: String] = [:]
        for (call, element) in zip(calls, elements) {
            if case .bytes(let content) = element { found[call] = String(buffer: content) }
        }
        return found
    }

    package func keep(_ notes: [ReasoningNote], of kind: ReasoningKind, in scope: ReasoningScope) {
        let keys = Keys(scope.account, scope.gateway)
        for note in notes.prefix(ReasoningBounds.notesPerAnswer) {
            guard note.callID.utf8.count <= ReasoningBounds.callID, note.content.utf8.count <= ReasoningBounds.note
            else { continue }
            let key = keys.reasoning(kind, note.callID)
            connection.send(RedisCommand("SET", key, note.content, "EX", String(ReasoningBounds.lifetime))) { _ in }
        }
    }
}
