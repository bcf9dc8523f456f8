import ControlPlane
import GatewayCore
import Logging
import Telemetry

/// What the parts of a control process have to tell, as lines of its log.
extension ControlRole {
    static func report(_ event: ExportRunner.Event, _ logger: Logger) {
        switch event {
        case .failing(let target, let account, let reason):
            logger.warning("an export waits for its receiver", reason: "\(target) of account \(account): \(reason)")
        case .resumed(let target, let account):
            logger.notice("an export goes on", reason: "\(target) of account \(account)")
        case .refused(let target, let account, let requests, let reason):
            logger.error(
                "an export's receiver refuses requests for good",
                reason: "\(requests) for \(target) of account \(account): \(reason)")
        case .unavailable(let reason): logger.warning("exports wait for the database", reason: reason)
        case .notPruned(let reason):
            logger.warning("requests that nobody takes any more stay in the queue of exports", reason: reason)
        case .pruned(let rows):
            logger.warning("requests were not exported in time, or nobody wants them any more", reason: "\(rows)")
        }
    }

    static func report(_ event: DeclarationKeeper.Event, _ logger: Logger) {
        switch event {
        case .applied(let path, let changes):
            for change in changes { logger.info("a declared object differs", reason: change) }
            logger.notice(
                "declarations are in force", reason: "\(path): " + (changes.isEmpty ? "no changes" : "applied"))
        case .refused(let path, let problems):
            for problem in problems { logger.error("declarations are wrong", reason: "\(path): \(problem)") }
            logger.error("declarations are refused; what is stored stays as it is", reason: path)
        case .appliedBefore(let path):
            logger.notice("declarations were applied before; SIGHUP applies them again", reason: path)
        case .superseded(let path):
            logger.warning(
                "declarations are superseded: a file that was read later is in force; SIGHUP applies this one",
                reason: path
            )
        case .waiting(let path, let reason):
            logger.warning("declarations wait for the database", reason: "\(path): \(reason)")
        }
    }

    static func report(_ event: ReferenceResolver.Event, _ logger: Logger) {
        switch event {
        case .failed(let id, let account, let name, let reason, let isInUse):
            logger.warning(
                isInUse
                    ? "a secret cannot be read from outside; its last value stays in use"
                    : "a secret cannot be read from outside",
                reason: "\(name) (\(id), account \(account)): \(reason)"
            )
        case .restored(let id, let account, let name):
            logger.notice("a secret can be read again", reason: "\(name) (\(id), account \(account))")
        }
    }

    static func report(_ event: SpoolDrain.Event, _ logger: Logger) {
        switch event {
        case .waiting(let problem): logger.warning("records wait for the database", reason: problem)
        case .resumed: logger.notice("records are stored again")
        case .rejected(let reason): logger.error("the database refuses a record; it was put aside", reason: reason)
        case .lost(let reason): logger.error("a refused record could not be put aside", reason: reason)
        case .skipped(let bytes): logger.warning("bytes in the spool hold no record", reason: "\(bytes) bytes")
        case .unreadable(let error): logger.error("the spool cannot be read", reason: "\(error)")
        case .logFull(let account, let gateway):
            logger.warning(
                "a gateway's log is full and takes no more rows",
                reason: "gateway \(gateway) of account \(account) stops inserting at its log_management"
            )
        case .logTooFast(let account, let gateway):
            logger.warning(
                "a gateway has more requests than its log takes",
                reason:
                    "of gateway \(gateway), account \(account), rows beyond limits.logs_per_second_per_gateway are dropped"
            )
        case .heldByOther: logger.warning("another process still follows the spool")
        }
    }
}

extension Logger {
    /// A line with its reason as a fact beside the constant message.
    private func line(_ level: Logger.Level, _ message: Logger.Message, _ reason: String) {
        log(level: level, message, metadata: [AIGKey.reason.rawValue: "\(reason)"])
    }
    func critical(_ message: Logger.Message, reason: String) { line(.critical, message, reason) }
    func error(_ message: Logger.Message, reason: String) { line(.error, message, reason) }
    func warning(_ message: Logger.Message, reason: String) { line(.warning, message, reason) }
    func info(_ message: Logger.Message, reason: String) { line(.info, message, reason) }
    func notice(_ message: Logger.Message, reason: String) { line(.notice, message, reason) }
}
