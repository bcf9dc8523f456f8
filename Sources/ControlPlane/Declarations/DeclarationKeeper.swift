package import GatewayCore
import PostgresStore
import SecretVault

/// Applies the file of declarations that a node is given, once; a start and SIGHUP make a new one.
///
/// Once for each reading of the supervisor: a control process that starts again from the same reading, maybe weeks later,
/// changes nothing. A file that is wrong, or that does not fit, changes nothing either: what is stored goes on to be served.
package actor DeclarationKeeper {
    /// A file as it was found.
    package struct File: Sendable {
        package var path: String
        package var content: [UInt8]
        /// Why it could not be read; nil: it was.
        package var problem: String?
        /// When the supervisor did.
        package var readAt: Instant

        package init(path: String, content: [UInt8], problem: String?, readAt: Instant) {
            self.path = path
            self.content = content
            self.problem = problem
            self.readAt = readAt
        }

        fileprivate var name: String { String(path.split(separator: "/").last ?? "") }
    }

    /// What the process log is told.
    package enum Event: Sendable, Equatable {
        /// In force; the lines of its changes.
        case applied(path: String, changes: [String])
        /// In force since this reading of it was applied by a control process before this one.
        case appliedBefore(path: String)
        /// Not in force: what a node found later is.
        case superseded(path: String)
        /// Not in force; one text for each problem.
        case refused(path: String, problems: [String])
        /// Not in force yet, and why.
        case waiting(path: String, reason: String)
    }

    /// Whether the file is in force.
    package struct Status: Sendable, Equatable {
        package enum State: String, Sendable { case pending, applied, superseded, refused }

        package var state: State
        package var since: Instant
    }

    private static let retry: Duration = .seconds(1)
    /// Attempts, of half a minute each, that may end among other writers of what the file is about.
    private static let mostConflicts = 10
    private static let watchInterval: Duration = .milliseconds(10)

    private let file: File
    private let account: AccountID
    private let pruning: DeclarationAdministration.Pruning
    private let reader: DeclarationReader
    private let administration: DeclarationAdministration
    private let clock: any WallClock
    private let report: @Sendable (Event) -> Void
    package private(set) var status: Status
    /// The first snapshot version with what was changed.
    private var version: UInt64?
    private var hasComplained = false
    private var conflicts = 0

    package init(
        _ file: File, account: AccountID, _ pruning: DeclarationAdministration.Pruning, reader: DeclarationReader,
        administration: DeclarationAdministration, clock: any WallClock, report: @escaping @Sendable (Event) -> Void
    ) {
        self.file = file
        self.account = account
        self.pruning = pruning
        self.reader = reader
        self.administration = administration
        self.clock = clock
        self.report = report
        status = Status(state: .pending, since: clock.now)
    }

    /// Goes on until the file is in force or it is clear that it will not be.
    package func run() async {
        let reading = DeclarationReading(
            readAt: file.readAt, now: clock.now, digest: Digest.sha256(file.content), file: file.name
        )
        if let problem = file.problem { return refuse([problem]) }
        let declarations: Declarations
        do throws(DeclarationFailure) { declarations = try await read() } catch { return fail(error) }
        await attempt(declarations, reading)
        while status.state == .pending, !Task.isCancelled {
            do { try await Task.sleep(for: Self.retry) } catch { return }
            await attempt(declarations, reading)
        }
    }

    /// Waits until that is so, at most `limit`; returns the first snapshot version with what was changed, if it was.
    package func settled(within limit: Duration) async -> UInt64? {
        let deadline = ContinuousClock.now + limit
        while status.state == .pending, ContinuousClock.now < deadline {
            do { try await Task.sleep(for: Self.watchInterval) } catch { break }
        }
        return version
    }

    /// Beside this actor, which tells meanwhile how things stand: a file may be long.
    @concurrent
    private nonisolated func read() async throws(DeclarationFailure) -> Declarations {
        try reader.read(file.content, pruning == .deleteOthers ? .marked : .optional)
    }

    private func attempt(_ declarations: Declarations, _ reading: DeclarationReading) async {
        do throws(DeclarationFailure) {
            let outcome = try await apply(declarations, reading)
            version = outcome.version
            switch outcome.standing {
            case .new: settle(.applied, .applied(path: file.path, changes: outcome.report.lines))
            case .applied: settle(.applied, .appliedBefore(path: file.path))
            case .superseded: settle(.superseded, .superseded(path: file.path))
            case .refused: refuse(["It did not fit when it was read; it is read again at SIGHUP"])
            }
        } catch {
            fail(error)
        }
    }

    private func fail(_ failure: DeclarationFailure) {
        switch failure {
        case .refused(let problems): refuse(problems.map(\.description))
        case .noSuchAccount: refuse(["There is no account \(account)"])
        case .internalFailure(let detail): refuse([detail])
        case .storeUnavailable: wait("PostgreSQL cannot be reached")
        case .contended(let problems):
            conflicts += 1
            let reasons = problems.map(\.description)
            if conflicts >= Self.mostConflicts, !reasons.isEmpty { return refuse(reasons) }
            wait(reasons.first ?? "the configuration is being changed by others, or locked")
        }
    }

    /// Beside this actor, as `read`.
    @concurrent
    private nonisolated func apply(
        _ declarations: Declarations, _ reading: DeclarationReading
    ) async throws(DeclarationFailure) -> DeclarationAdministration.Outcome {
        do {
            return try await ChangeAuthor.$current.withValue(.declarations(file: file.name)) {
                try await administration.apply(declarations, to: account, pruning, .lasting, once: reading)
            }
        } catch let failure as DeclarationFailure {
            throw failure
        } catch {
            throw .internalFailure("\(error)")
        }
    }

    private func wait(_ reason: String) {
        if !hasComplained { report(.waiting(path: file.path, reason: reason)) }
        hasComplained = true
    }

    private func refuse(_ problems: [String]) { settle(.refused, .refused(path: file.path, problems: problems)) }

    private func settle(_ state: Status.State, _ event: Event) {
        status = Status(state: state, since: clock.now)
        report(event)
    }
}
