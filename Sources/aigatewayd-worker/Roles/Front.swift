import FrontDoor
import Glibc
import ProcessRuntime

/// The role `front`: accepts on the inherited sockets until the supervisor says stop.
enum FrontRole {
    /// Runs the role in this process; its exit code.
    static func run() -> Int32 {
        ProcessRole.front.assume()
        let listeners = InheritedDescriptor.listeners()
        guard let scoreboard = Scoreboard(), !listeners.isEmpty else {
            StandardError.say("aigatewayd-worker: the role front is started by aigatewayd, not by hand")
            return 64
        }
        Front(link: SupervisorLink(), scoreboard: scoreboard, listeners: listeners).run()
        return 0
    }
}
