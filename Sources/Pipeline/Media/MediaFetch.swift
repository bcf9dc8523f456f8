import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Gets pictures and files that a request refers to, for providers that want them inside the request
/// (providers.md §8.6).
///
/// Addresses come from clients, so nothing is reached but public hosts over `https`, wherever a redirection leads, and
/// a client learns no more than that something could not be fetched.
@WorkerLoop
final class MediaFetch {
    /// Bytes of one of them.
    static let limit = 20 << 20
    /// Redirections of one of them.
    static let redirections = 3
    /// From the first byte asked for to the last one got.
    static let patience = Duration.seconds(10)
    /// Calls at one time for one request · assumed.
    static let parallel = 4

    private let environment: WorkerEnvironment
    private var open: [String]
    private var fetched: [String: RemoteMedia] = [:]
    private var failure: GatewayError?
    private var running: [Int: CancelHook] = [:]
    private var waiter: CheckedContinuation<Void, Never>?
    private var held = 0
    private var number = 0

    /// - Parameter addresses: each once.
    init(_ addresses: [String], environment: WorkerEnvironment) {
        self.environment = environment
        open = addresses
    }

    /// All of them, or the reason why one could not be had.
    ///
    /// - Errors: `.badChatCompletion` with a message for the client; `.notReady` when memory is used up.
    func result(_ cancel: CancelHook) async throws(GatewayError) -> [String: RemoteMedia] {
        cancel.onCancel { self.fail(GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")) }
        while !open.isEmpty, running.count < Self.parallel { startNext() }
        if !running.isEmpty { await withCheckedContinuation { waiter = $0 } }
        cancel.onCancel(nil)
        if let failure { throw failure }
        return fetched
    }

    /// Gives the memory back to the worker's allowance; to be called when the request has been written.
    func release() {
        environment.wholeBodies.giveBack(held)
        held = 0
    }

    private func startNext() {
        let text = open.removeLast()
        number += 1
        let own = number
        let cancel = CancelHook()
        running[own] = cancel
        WorkerLoop.start {
            do throws(GatewayError) {
                let media = try await self.fetch(text, cancel)
                self.fetched[text] = media
            } catch {
                self.fail(error)
            }
            self.running[own] = nil
            if self.failure == nil, !self.open.isEmpty { self.startNext() }
            if self.running.isEmpty {
                self.waiter?.resume()
                self.waiter = nil
            }
        }
    }

    /// The first failure is the answer; what else is under way is given up.
    private func fail(_ error: GatewayError) {
        if failure == nil { failure = error }
        open = []
        for cancel in running.values { cancel.cancel() }
    }

    private func fetch(_ text: String, _ cancel: CancelHook) async throws(GatewayError) -> RemoteMedia {
        let shown = Self.shown(text)
        guard var address = MediaAddress(text) else {
            throw Self.refusal("only https addresses of images can be fetched: '\(shown)'")
        }
        let deadline = environment.clock.monotonic + Self.patience
        let timer = environment.timers.after(Self.patience) { cancel.cancel() }
        defer { timer.cancel() }
        for _ in 0...Self.redirections {
            let reply: any UpstreamReply
            do throws(GatewayError) {
                reply = try await environment.upstream.send(Self.request(address), cancel: cancel)
            } catch {
                throw Self.refusal("'\(shown)' could not be fetched", detail: error.detail)
            }
            let head = reply.head
            switch head.status {
            case 200: return try await take(reply, shown, cancel)
            case 301, 302, 303, 307, 308:
                reply.cancel()
                guard let location = head.value(named: "location"), let next = address.redirected(to: location) else {
                    throw Self.refusal("'\(shown)' redirects to something that cannot be fetched")
                }
                address = next
            default:
                reply.cancel()
                throw Self.refusal("'\(shown)' could not be fetched: status \(head.status)")
            }
            guard environment.clock.monotonic < deadline else { break }
        }
        throw Self.refusal("'\(shown)' redirects too often")
    }

    private func take(
        _ reply: any UpstreamReply, _ shown: String, _ cancel: CancelHook
    ) async throws(GatewayError) -> RemoteMedia {
        let head = reply.head
        if case .length(let count) = head.framing, count > Self.limit {
            reply.cancel()
            throw Self.refusal("'\(shown)' is larger than \(Self.limit >> 20) MiB")
        }
        if let coding = head.value(.contentEncoding), coding.lowercased() != "identity" {
            reply.cancel()
            throw Self.refusal("'\(shown)' has a content coding that nobody asked for")
        }
        let collected = CollectedAnswer(environment: environment, limit: Self.limit)
        do throws(GatewayError) {
            try await collected.read(reply, cancel)
        } catch {
            collected.release()
            if error.kind == .notReady { throw error }
            let isLong = error.kind == .unparsableModelOutput
            throw Self.refusal(
                isLong ? "'\(shown)' is larger than \(Self.limit >> 20) MiB" : "'\(shown)' could not be fetched",
                detail: error.detail
            )
        }
        let bytes = collected.bytes
        // What is kept goes on counting.
        held += collected.keep()
        guard bytes.readableBytes > 0, let type = MediaType.of(bytes, field: head.value(.contentType)) else {
            throw Self.refusal("'\(shown)' is no image or document")
        }
        return RemoteMedia(mediaType: type, bytes: bytes)
    }

    private static func request(_ address: MediaAddress) -> UpstreamRequest {
        var head = ByteBuffer()
        HeadWriter.requestLine("GET", address.target, into: &head)
        HeadWriter.field("Host", address.origin.authority, into: &head)
        HeadWriter.field("Accept", "*/*", into: &head)
        HeadWriter.field("Accept-Encoding", "identity", into: &head)
        HeadWriter.field("User-Agent", "aigatewayd", into: &head)
        HeadWriter.endOfHead(into: &head)
        return UpstreamRequest(
            origin: address.origin, head: head, framing: .none, body: RequestBody(complete: ByteBuffer()),
            egress: .publicAddressesOnly, connectTimeout: .seconds(5), idleTimeout: patience
        )
    }

    /// An address as it is named in a message: without its query, which may hold a signature.
    private static func shown(_ text: String) -> String {
        let plain = text.prefix { $0 != "?" && $0 != "#" }
        return plain.utf8.count > 200 ? plain.prefix(200) + "…" : String(plain)
    }

    /// What a client is told of media that it cannot have.
    nonisolated static func refusal(_ message: String, detail: String = "") -> GatewayError {
        GatewayError(
            .badChatCompletion, origin: .client, detail: detail.isEmpty ? message : message + ": " + detail,
            message: "invalid_image_url: " + message
        )
    }
}
