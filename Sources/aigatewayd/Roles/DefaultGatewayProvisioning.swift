import ControlPlane
import GatewayCore
import Synchronization

/// Makes an account's `default` gateway when a worker asks for it, and waits until the snapshot has it.
final class DefaultGatewayProvisioning: Sendable {
    /// The compiler is made after the link server whose request this answers, so it comes later.
    final class Later: Sendable {
        // A lock, because the value is set once by the composition and read by any task afterwards.
        private let compiler = Mutex<SnapshotCompiler?>(nil)
        func store(_ value: SnapshotCompiler) { compiler.withLock { $0 = value } }
        var value: SnapshotCompiler? { compiler.withLock { $0 } }
    }

    private static let patience: Duration = .seconds(5)

    let compiler = Later()
    private let gateways: GatewayAdministration

    init(_ gateways: GatewayAdministration) { self.gateways = gateways }

    /// Nil when the gateway exists and its snapshot was published, else why not.
    func provision(_ account: AccountID) async -> String? {
        do throws(ControlError) {
            let version = try await gateways.provisionDefault(of: account)
            let isPublished = await compiler.value?.wait(for: version, atMost: Self.patience) ?? false
            return isPublished ? nil : "the snapshot that has the gateway was not made in time"
        } catch {
            switch error {
            case .notFound: return "the account does not exist"
            case .storeUnavailable: return "the database is unavailable"
            case .invalid, .secretsStore, .dynamicRoute, .billing, .forbidden, .tooManyReaders, .internalFailure:
                return "\(error)"
            }
        }
    }
}
