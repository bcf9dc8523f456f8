package import GatewayCore
import PostgresStore

/// Applies the file of declarations that a node is given, once; a start and SIGHUP make a new one.
///
/// A file that is wrong, or that does not fit, changes nothing: what is stored goes on to be served.
package actor DeclarationKeeper {
    /// A file as it was found.
    package struct File: Sendable {
        package var path: String
        package var content: [UInt8]
        /// Why it could not be read; nil: it was.
        package var problem: String?

        package init(path: String, content: [UInt8], problem: String?) {
            self.path = path
            self.content = content
            self.problem = problem
        }
    }

    /// What the process log is told.
    package enum Event: Sendable, Equatable {
        /// In force; the lines of its changes.
        case applied(path: String, changes: [String])
        /// Not in force; one text for each problem.
        case refused(path: String, problems: [String])
        /// Not in force yet.
        case waiting(path: String)
    }

    /// Whether the file is in force.
    package struct Status: Sendable, Equatable {
        package enum State: String, Sendable { case pending, applied, refused }

        package var state: State
        package var since: Instant
        /// The first of them, and how many there are.
        package var problem: String?
    }

    private static let retry: Duration = .seconds(1)

    private let file: File
    private let account: AccountID
    private let pruning: DeclarationAdministration.Pruning
    private let reader: DeclarationReader
    private let administration: DeclarationAdministration
    private let clock: any WallClock
    private let report: @Sendable (Event) -> Void
    package private(set) var status: Status
    private var hasComplained = false

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

    /// Tries once, so that the first snapshot of a node has what is declared.
    package func begin() async { await attempt() }

    /// Goes on until the file is in force or refused.
    package func run() async {
        while status.state == .pending, !Task.isCancelled {
            do { try await Task.sleep(for: Self.retry) } catch { return }
            await attempt()
        }
    }

    private func attempt() async {
        guard status.state == .pending else { return }
        if let problem = file.problem { return refuse([problem]) }
        do throws(DeclarationFailure) {
            let declarations = try reader.read(file.content)
            let author = ChangeAuthor.declarations(file: String(file.path.split(separator: "/").last ?? ""))
            let outcome = try await apply(declarations, as: author)
            status = Status(state: .applied, since: clock.now)
            report(.applied(path: file.path, changes: outcome.report.lines))
        } catch {
            switch error {
            case .refused(let problems): refuse(problems.map(\.description))
            case .noSuchAccount: refuse(["There is no account \(account)"])
            case .internalFailure(let detail): refuse([detail])
            case .storeUnavailable:
                if !hasComplained { report(.waiting(path: file.path)) }
                hasComplained = true
            }
        }
    }

    private func apply(
        _ declarations: Declarations, as author: ChangeAuthor
    ) async throws(DeclarationFailure) -> DeclarationAdministration.Outcome {
        do {
            return try await ChangeAuthor.$current.withValue(author) {
                try await administration.apply(declarations, to: account, pruning, .lasting)
            }
        } catch let failure as DeclarationFailure {
            throw failure
        } catch {
            throw .internalFailure("\(error)")
        }
    }

    private func refuse(_ problems: [String]) {
        let more = problems.count > 1 ? " (and \(problems.count - 1) more)" : ""
        status = Status(state: .refused, since: clock.now, problem: problems.first.map { $0 + more })
        report(.refused(path: file.path, problems: problems))
    }
}
