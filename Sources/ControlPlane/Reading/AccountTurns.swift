import GatewayCore
import Synchronization

/// Lets each account do a few things at once; who comes later waits for its turn, unless too many wait already.
final class AccountTurns: Sendable {
    /// Nobody can wait any more.
    struct TooManyWait: Error {}

    private struct Line {
        var running = 0
        var waiters: [(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private struct State {
        var lines: [AccountID: Line] = [:]
        var lastTicket: UInt64 = 0
        /// Tickets whose callers went away before they stood in line.
        var cancelled: Set<UInt64> = []
    }

    // A lock, because a caller that goes away leaves the line at once, and its cancellation handler cannot wait.
    private let state = Mutex(State())
    private let places: Int
    private let waiting: Int

    /// - Parameters:
    ///   - places: what an account may do at once.
    ///   - waiting: callers of one account that may wait.
    init(places: Int, waiting: Int) {
        self.places = places
        self.waiting = waiting
    }

    /// Does `body` when it is the account's turn.
    ///
    /// - Throws: `TooManyWait`, `CancellationError`, and what `body` throws.
    func take<T: Sendable>(_ account: AccountID, _ body: () async throws -> T) async throws -> T {
        try await enter(account)
        defer { leave(account) }
        return try await body()
    }

    private func enter(_ account: AccountID) async throws {
        enum Entry { case now, wait(UInt64), refused }
        let entry: Entry = state.withLock { state in
            let line = state.lines[account] ?? Line()
            if line.running < places {
                state.lines[account, default: Line()].running += 1
                return .now
            }
            guard line.waiters.count < waiting else { return .refused }
            state.lastTicket += 1
            return .wait(state.lastTicket)
        }
        switch entry {
        case .now: return
        case .refused: throw TooManyWait()
        case .wait(let ticket):
            guard await wait(ticket, account) else { throw CancellationError() }
        }
    }

    /// Stands in line; returns whether it is the caller's turn, who may have gone away instead.
    private func wait(_ ticket: UInt64, _ account: AccountID) async -> Bool {
        defer { state.withLock { _ = $0.cancelled.remove(ticket) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                // A place may have become free, or the caller may have gone, since the ticket was taken.
                let isTurn: Bool? = state.withLock { state in
                    if state.cancelled.remove(ticket) != nil { return false }
                    if state.lines[account, default: Line()].running < places {
                        state.lines[account, default: Line()].running += 1
                        return true
                    }
                    state.lines[account, default: Line()].waiters.append((ticket, continuation))
                    return nil
                }
                if let isTurn { continuation.resume(returning: isTurn) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.lines[account]?.waiters.firstIndex(where: { $0.ticket == ticket }) else {
                    state.cancelled.insert(ticket)
                    return nil
                }
                return state.lines[account]?.waiters.remove(at: index).continuation
            }
            waiter?.resume(returning: false)
        }
    }

    /// Gives the place to whoever waits longest.
    private func leave(_ account: AccountID) {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard var line = state.lines[account] else { return nil }
            if !line.waiters.isEmpty {
                let next = line.waiters.removeFirst().continuation
                state.lines[account] = line
                return next
            }
            line.running -= 1
            state.lines[account] = line.running > 0 ? line : nil
            return nil
        }
        next?.resume(returning: true)
    }
}
