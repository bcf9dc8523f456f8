import Dispatch
import GatewayCore
import SecretVault
import Testing

/// Stands in for the worker's event loop: a serial queue.
private final class LoopThread: SerialExecutor {
    private let queue = DispatchQueue(label: "worker loop")
    static let installed: LoopThread = {
        let thread = LoopThread()
        WorkerLoop.install(thread)
        return thread
    }()
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

@Suite("LoopSecretOpener")
struct LoopSecretOpenerTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"

    init() { _ = LoopThread.installed }

    private func sealed(_ vault: Vault, _ id: SecretID, _ value: String) throws -> SealedSecret {
        SealedSecret(
            id: id, account: Self.account, name: "n",
            envelope: try vault.seal(Secret(Array(value.utf8)), account: Self.account, secretID: id)
        )
    }

    @Test("a changed secret is opened anew, an unreadable one is nil, and the memory is bounded")
    @WorkerLoop
    func opens() throws {
        let vault = Vault(masterKey: try MasterKey(MasterKey.generate()))
        let opener = LoopSecretOpener(vault: vault, capacity: 2)
        var secret = try sealed(vault, "a", "first")
        #expect(opener.open(secret)?.reveal() == Array("first".utf8))
        #expect(opener.open(secret)?.reveal() == Array("first".utf8))
        secret = try sealed(vault, "a", "second")
        #expect(opener.open(secret)?.reveal() == Array("second".utf8))
        secret.account = "ffffffffffffffffffffffffffffffff"
        #expect(opener.open(secret) == nil)
        for id in ["b", "c", "d"] {
            #expect(opener.open(try sealed(vault, SecretID(id), id))?.reveal() == Array(id.utf8))
        }
        #expect(opener.count == 2)
    }
}
