import Glibc

// The helper executable of the data plane. Roles come by argument; the supervisor starts them, nobody else does.
switch CommandLine.arguments.dropFirst().first {
case "front": exit(FrontRole.run())
case "worker": exit(WorkerProcess.run())
default:
    StandardError.say("aigatewayd-worker: this executable is started by aigatewayd, not by hand")
    exit(64)
}
