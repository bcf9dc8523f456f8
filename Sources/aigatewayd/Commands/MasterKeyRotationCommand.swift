import ArgumentParser
import ControlPlane
import GatewayCore
import PostgresStore
import SecretVault
import Settings

/// `aigatewayd secret rotate-master-key`: a new master key for everything that is stored.
struct MasterKeyRotationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-master-key", abstract: "Put everything stored under a new master key.",
        discussion: """
            The new key is written to the master key's file first, with the former one beside it, then the data key of \
            every secret is wrapped anew in one transaction. Send SIGHUP to the daemon of every node afterwards, once \
            the file is there. Running workers cannot open what is wrapped anew until then; to avoid that, run it with \
            --prepare before, distribute the file and send SIGHUP: the nodes then know the next key already.
            """
    )

    @Flag(help: "Only put the next key into the file, so that all nodes can learn it before it is used.")
    var prepare = false
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let access = try SecretCommand.Access(options)
        let present = try access.masterKeys()
        let path = MasterKeyFile.path(access.settings)
        if prepare {
            guard present.next == nil else { return print("\(path) holds the next key already") }
            guard present.count < MasterKeyRing.most else { throw Self.tooMany(path) }
            var ring = present
            ring.next = try MasterKey.generate()
            try Self.store(ring, access.settings)
            print("\(path) holds the next key: copy it to every node, send SIGHUP to every daemon, then rotate")
            return
        }
        let rotation = MasterKeyRotation(access.pool)
        do throws(ControlError) { try await rotation.probe() } catch { throw SecretCommand.failure(error) }
        // A rotation that was interrupted is finished with the key it had chosen.
        let isInterrupted = present.next == nil && present.former.count > 1
        var ring = present
        if !isInterrupted {
            ring = MasterKeyRing(
                current: try present.next ?? MasterKey.generate(), former: [present.current] + present.former
            )
            guard ring.count <= MasterKeyRing.most else { throw Self.tooMany(path) }
            // Before the first row is changed: nothing may ever be wrapped with a key that is in no file.
            try Self.store(ring, access.settings)
        }
        let report: MasterKeyRotation.Report
        do throws(ControlError) { report = try await rotation.run(try Self.key(ring)) } catch {
            _ = ExitStatus.internalFailure.because(
                "the new key is in \(path) and nothing is lost; run the command again"
            )
            throw SecretCommand.failure(error)
        }
        // The key before stays: daemons seal with it until they are told to read the file again. What none of the keys
        // opened is no reason to keep the others: they do not open it later either.
        if ring.former.count > 1 {
            ring.former = Array(ring.former.prefix(1))
            try Self.store(ring, access.settings)
        }
        print("\(report.rewrapped) of \(report.secrets) secrets are under the new master key in \(path)")
        for id in report.unreadable {
            print("\(id) is damaged or was sealed under a key that is not in the file; it is left as it is")
        }
        print("copy the file to every node that shares this database, then send SIGHUP to every daemon")
    }

    private static func key(_ ring: MasterKeyRing) throws(ControlError) -> MasterKey {
        do throws(VaultError) { return try MasterKey(ring.bytes) } catch {
            throw .internalFailure("the master key cannot be used: \(error)")
        }
    }

    private static func store(_ ring: MasterKeyRing, _ settings: DaemonSettings) throws {
        do throws(SettingsError) { try MasterKeyFile.store(ring, settings) } catch {
            throw ExitStatus.configuration.because(error.message)
        }
    }

    private static func tooMany(_ path: String) -> ExitCode {
        ExitStatus.configuration.because("\(path) holds \(MasterKeyRing.most) keys; rotate until former ones are gone")
    }
}
