import CloudflareWire
package import GatewayCore
package import NIOCore

/// What the data port answers about itself: `/healthz` and `/readyz`.
@WorkerLoop
package final class LocalEndpoints {
    package struct Report: Sendable {
        package var isReady: Bool
        package var json: ByteBuffer
        package init(isReady: Bool, json: ByteBuffer) {
            self.isReady = isReady
            self.json = json
        }
    }

    private let readiness: @WorkerLoop () -> Report

    package init(readiness: @escaping @WorkerLoop () -> Report) { self.readiness = readiness }

    /// Status and body for a surface; nil when it is not one of these.
    func answer(_ surface: Address.Surface) -> (status: Int, json: ByteBuffer)? {
        switch surface {
        case .health: return (200, ByteBuffer(string: #"{"status":"ok"}"#))
        case .readiness:
            let report = readiness()
            return (report.isReady ? 200 : 503, report.json)
        case .native, .compat, .universal, .elsewhere: return nil
        }
    }
}
