import GatewayCore
import Glibc
import NIOCore
import NIOPosix
import ProcessRuntime
import SecretVault
import Telemetry
import WorkerRuntime

/// The role `worker`: reads what it inherited, makes its thread the loop and serves until it is told to stop.
enum WorkerProcess {
    /// Runs the role in this process; its exit code when it could not begin.
    static func run() -> Int32 {
        guard let identity = WorkerIdentity(arguments: CommandLine.arguments) else {
            return refuse("the role worker is started by aigatewayd, not by hand", status: 64)
        }
        ProcessRole.worker(slot: identity.slot).assume()
        // The supervisor says when to stop; a signal that reached its whole group must not cut streams.
        signal(SIGTERM, SIG_IGN)
        let bytes = InheritedBytes.read(descriptor: InheritedDescriptor.settings)
        guard let settings = WorkerSettings(decoding: ByteBuffer(bytes: bytes)) else {
            return refuse("the settings that the supervisor passed cannot be read", status: 70)
        }
        StandardErrorLog.install(
            level: settings.logLevel, format: settings.logFormat, process: "worker \(identity.slot)"
        )
        guard let scoreboard = Scoreboard() else { return refuse("there is no scoreboard", status: 70) }
        let masterKey: MasterKey
        do {
            masterKey = try MasterKey(Secret(InheritedBytes.read(descriptor: InheritedDescriptor.masterKey)))
        } catch {
            return refuse("the master key cannot be used", status: 70)
        }
        MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { loop in
            let executor = LoopExecutor(loop: loop, reach: .process)
            WorkerLoop.install(executor, reach: .process)
            GlobalJobs.run(on: executor)
            loop.execute {
                WorkerLoop.onLoop {
                    do {
                        try WorkerRole(
                            identity: identity, settings: settings, scoreboard: scoreboard, masterKey: masterKey,
                            executor: executor
                        ).start()
                    } catch {
                        exit(refuse("\(error)", status: 78))
                    }
                }
            }
        }
        return 0
    }

    private static func refuse(_ reason: String, status: Int32) -> Int32 {
        StandardError.say("aigatewayd-worker: \(reason)")
        return status
    }
}
