import GatewayCore
import NIOCore
import Providers

/// Further calls that belong to one request of a client, ready to be sent.
struct FurtherRequests: Sendable {
    var requests: [UpstreamRequest]
    /// Makes one answer of all of them, the first one's included; nil when one of them is none.
    var join: @Sendable ([ByteBuffer]) -> ByteBuffer?
}

/// Carries out a request together with further ones and gives their answers back as one.
///
/// The first answer that is no success is the answer, and the calls that are under way are given up.
/// - Limits: 8 calls at a time; every answer is held as `CollectedAnswer` bounds it.
@WorkerLoop
final class JoinedCalls: UpstreamClient {
    private static let atOnce = 8

    private let client: any UpstreamClient
    private let further: FurtherRequests
    private let silence: Duration?
    private let environment: WorkerEnvironment

    /// - Parameter silence: how long the provider may be silent inside one of its answers.
    init(
        _ client: any UpstreamClient, _ further: FurtherRequests, silence: Duration?, _ environment: WorkerEnvironment
    ) {
        self.client = client
        self.further = further
        self.silence = silence
        self.environment = environment
    }

    func send(_ request: UpstreamRequest, cancel: CancelHook) async throws(GatewayError) -> any UpstreamReply {
        var requests = [request]
        for var next in further.requests {
            next.firstByteTimeout = request.firstByteTimeout
            requests.append(next)
        }
        let round = Round(client, requests, silence: silence, environment)
        cancel.onCancel { round.cancel() }
        await round.run(lanes: min(Self.atOnce, requests.count))
        cancel.onCancel(nil)
        defer { round.release() }
        if let error = round.error { throw error }
        if let refusal = round.refusal { return refusal }
        guard let head = round.head, let whole = further.join(round.answers),
            let written = TranslatedHead.make(head, status: head.status, .whole(length: whole.readableBytes))
        else {
            throw GatewayError(
                .unparsableModelOutput, origin: .provider, detail: "the answers of several calls do not fit together"
            )
        }
        return try WrittenReply(written, whole, in: environment.wholeBodies)
    }

    /// The calls of one attempt.
    @WorkerLoop
    private final class Round {
        private let client: any UpstreamClient
        private let requests: [UpstreamRequest]
        private let silence: Duration?
        private let environment: WorkerEnvironment
        private var collected: [CollectedAnswer?]
        private var hooks: [CancelHook]
        private var next = 0
        private var lanes = 0
        private var isOver = false
        private var waiter: CheckedContinuation<Void, Never>?
        /// The head of the first call's answer.
        private(set) var head: ResponseHead?
        /// The answer of a call that was refused.
        private(set) var refusal: (any UpstreamReply)?
        private(set) var error: GatewayError?

        init(
            _ client: any UpstreamClient, _ requests: [UpstreamRequest], silence: Duration?,
            _ environment: WorkerEnvironment
        ) {
            self.client = client
            self.requests = requests
            self.silence = silence
            self.environment = environment
            collected = Array(repeating: nil, count: requests.count)
            hooks = requests.map { _ in CancelHook() }
        }

        var answers: [ByteBuffer] { collected.map { $0?.bytes ?? ByteBuffer() } }

        func run(lanes count: Int) async {
            lanes = count
            for _ in 0..<count { WorkerLoop.start { await self.work() } }
            if lanes > 0 { await withCheckedContinuation { waiter = $0 } }
        }

        private func work() async {
            while !isOver, next < requests.count {
                let number = next
                next += 1
                await call(number)
            }
            lanes -= 1
            guard lanes == 0 else { return }
            waiter?.resume()
            waiter = nil
        }

        private func call(_ number: Int) async {
            do throws(GatewayError) {
                let reply = try await client.send(requests[number], cancel: hooks[number])
                guard !isOver else { return reply.cancel() }
                guard (200..<300).contains(reply.head.status) else {
                    refusal = reply
                    return end(but: number)
                }
                if let silence { reply.limitSilence(to: silence) }
                if number == 0 { head = reply.head }
                let answer = CollectedAnswer(environment: environment)
                collected[number] = answer
                try await answer.read(reply, hooks[number])
            } catch {
                guard !isOver else { return }
                self.error = error
                end(but: number)
            }
        }

        /// Gives up all calls but the one that decided.
        private func end(but number: Int) {
            isOver = true
            for (index, hook) in hooks.enumerated() where index != number { hook.cancel() }
        }

        func cancel() {
            guard !isOver else { return }
            error = GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")
            end(but: requests.count)
        }

        /// Gives the memory of the answers back.
        func release() {
            for answer in collected { answer?.release() }
        }
    }
}
