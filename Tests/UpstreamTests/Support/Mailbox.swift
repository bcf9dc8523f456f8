import GatewayCore

/// Hands values from callbacks to a waiting test, in order.
@WorkerLoop
final class Mailbox<Value: Sendable> {
    private var values: [Value] = []
    private var takers: [CheckedContinuation<Value, Never>] = []

    func put(_ value: Value) {
        if takers.isEmpty { values.append(value) } else { takers.removeFirst().resume(returning: value) }
    }

    func take() async -> Value {
        if !values.isEmpty { return values.removeFirst() }
        return await withCheckedContinuation { takers.append($0) }
    }
}
