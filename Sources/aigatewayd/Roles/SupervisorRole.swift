import ProcessRuntime
import Supervision

/// Runs the daemon from this process until it ends, with everything `configuration` says; the exit code.
///
/// Blocks its thread, which should be the main one. Problems go to the configuration's log.
func runSupervisor(_ configuration: SupervisorConfiguration) -> Int32 {
    ProcessRole.supervisor.assume()
    do throws(SupervisorError) {
        return try Supervisor(configuration).run()
    } catch {
        configuration.log(.error, error.message)
        return error.kind.rawValue
    }
}
