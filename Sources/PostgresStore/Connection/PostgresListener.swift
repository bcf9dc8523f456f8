/// Follows one notification channel of the server, across lost connections.
package struct PostgresListener: Sendable {
    package enum Event: Sendable, Equatable {
        /// The channel is being followed from now on; what was notified before may have been missed.
        case listening
        case notified(payload: String)
        case lost(problem: String)
    }

    private let session: PostgresSession

    /// - Parameter session: used by nobody else.
    package init(_ session: PostgresSession) { self.session = session }

    /// Reports what happens on `channel` until the task is cancelled.
    ///
    /// - Parameter report: called in order, one call at a time.
    package func run(_ channel: PostgresChannel, _ report: (Event) async -> Void) async {
        var isListening = false
        while !Task.isCancelled {
            do throws(PostgresError) {
                if await session.hasReconnected || !isListening {
                    _ = try await session.query(channel.listen)
                    _ = await session.hasReconnected
                    isListening = true
                    await report(.listening)
                }
                for payload in try await session.notifications(within: .milliseconds(250)) {
                    await report(.notified(payload: payload))
                }
            } catch {
                if isListening { await report(.lost(problem: error.message)) }
                isListening = false
                try? await Task.sleep(for: .milliseconds(250))
            }
        }
        await session.close()
    }
}

/// A notification channel that the schema writes to.
package enum PostgresChannel: Sendable {
    /// The version of the configuration was raised; the payload is the new version.
    case configuration

    var listen: StaticString {
        switch self {
        case .configuration: "LISTEN aigatewayd_config"
        }
    }
}
