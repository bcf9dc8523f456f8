package import GatewayCore
import Glibc
import NIOCore
import NIOPosix
package import PostgresStore

/// Control's end of the links to this node's workers: snapshots and store states go out, provisioning requests come in.
package actor WorkerLinkServer {
    private struct Link {
        var channel: any Channel
        /// Set by the worker's first message.
        var isGreeted = false
        /// The edition this worker has, or will have once its socket is drained; nil: one that is not known.
        var edition: UInt64?
    }

    private let path: String
    private let provision: @Sendable (AccountID) async -> String?
    private let postgres: PostgresPool?
    private let events: AsyncStream<WorkerLinkHandler.Event>
    private let eventSink: AsyncStream<WorkerLinkHandler.Event>.Continuation
    private var links: [ObjectIdentifier: Link] = [:]
    private var version: UInt64 = 0
    /// Counts what was published: one version may be, more than once, with other values of secrets from outside.
    private var edition: UInt64 = 0
    /// Whether the present edition is the only one of its version, so that who has the version has the edition.
    private var isOnlyEdition = true
    private var frame: ByteBuffer?
    private var stores: [Observation.Store: ByteBuffer] = [:]
    /// Who waits for the default gateway of an account: one request serves all.
    private var provisioning: [AccountID: [(link: ObjectIdentifier, request: UInt64)]] = [:]

    /// - Parameters:
    ///   - path: of the Unix socket; made with mode 0600, replacing one that a dead process left.
    ///   - postgres: whose health the workers are told; nil to tell nothing.
    ///   - provision: makes the account's default gateway and returns once the snapshot that has it was published, or
    ///     says why that failed.
    package init(
        path: String, postgres: PostgresPool? = nil, provision: @escaping @Sendable (AccountID) async -> String?
    ) {
        self.path = path
        self.provision = provision
        self.postgres = postgres
        (events, eventSink) = AsyncStream.makeStream(of: WorkerLinkHandler.Event.self)
    }

    /// Number of workers that have said hello.
    package var workers: Int { links.values.count(where: \.isGreeted) }

    /// Makes `snapshot` the one in force and sends it to every worker that has another one.
    package func publish(_ snapshot: ConfigSnapshot) {
        let new = ControlLink.encode(.snapshot(snapshot.encoded()))
        if new == frame { return }
        frame = new
        isOnlyEdition = edition == 0 || snapshot.version != version
        edition += 1
        version = snapshot.version
        for id in links.keys { sendSnapshot(to: id, .ifWritable) }
    }

    /// Tells every worker the state of a store.
    package func note(_ store: Observation.Store, isAvailable: Bool, since: Instant) {
        let message = ControlLink.encode(.store(store, isAvailable: isAvailable, since: since))
        stores[store] = message
        for link in links.values where link.isGreeted { link.channel.writeAndFlush(message, promise: nil) }
    }

    /// Serves until the task is cancelled; throws when the socket cannot be made.
    package func run() async throws {
        let sink = eventSink
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(WorkerLinkHandler(sink))
                }
            }
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        chmod(path, 0o600)
        await withDiscardingTaskGroup { group in
            if let postgres {
                group.addTask {
                    for await state in postgres.healthChanges() {
                        await self.note(.postgres, isAvailable: state.isAvailable, since: state.since)
                    }
                }
            }
            for await event in events {
                if let account = take(event) {
                    group.addTask { await self.answer(account, problem: self.provision(account)) }
                }
            }
            group.cancelAll()
        }
        for link in links.values { link.channel.close(promise: nil) }
        links = [:]
        try? await listener.close()
    }

    /// Handles one event; returns an account whose default gateway has to be made now.
    private func take(_ event: WorkerLinkHandler.Event) -> AccountID? {
        switch event {
        case .opened(let channel):
            links[ObjectIdentifier(channel)] = Link(channel: channel)
        case .closed(let channel):
            links[ObjectIdentifier(channel)] = nil
        case .writable(let channel):
            sendSnapshot(to: ObjectIdentifier(channel), .ifWritable)
        case .message(let channel, .hello(_, _, let version)):
            let id = ObjectIdentifier(channel)
            links[id]?.isGreeted = true
            links[id]?.edition = version == self.version && isOnlyEdition ? edition : nil
            sendSnapshot(to: id, .ifWritable)
            for message in stores.values { channel.writeAndFlush(message, promise: nil) }
        case .message(let channel, .provisionDefaultGateway(let request, let account)):
            let waiting = provisioning[account] ?? []
            provisioning[account] = waiting + [(ObjectIdentifier(channel), request)]
            return waiting.isEmpty ? account : nil
        }
        return nil
    }

    private func answer(_ account: AccountID, problem: String?) {
        for (id, request) in provisioning.removeValue(forKey: account) ?? [] {
            guard let link = links[id] else { continue }
            // The answer promises a snapshot: it goes first, however far behind the worker is.
            sendSnapshot(to: id, .always)
            link.channel.writeAndFlush(
                ControlLink.encode(.provisioned(request: request, problem: problem)), promise: nil)
        }
    }

    private enum Sending { case ifWritable, always }

    /// Sends the snapshot in force unless the worker has it.
    ///
    /// One that does not read gets only the newest, later.
    private func sendSnapshot(to id: ObjectIdentifier, _ sending: Sending) {
        guard let frame, let link = links[id], link.isGreeted, link.edition != edition,
            sending == .always || link.channel.isWritable
        else { return }
        links[id]?.edition = edition
        link.channel.writeAndFlush(frame, promise: nil)
    }
}
