/// What the supervisor needs of the settings: sockets, processes and embedded stores.
package struct SupervisorSettings: Sendable, Equatable {
    /// Whether a store is somebody else's or runs as a child of the supervisor.
    package enum Store: Sendable, Equatable { case external, embedded }

    package var dataListen: [PortAddress]
    package var controlListen: [PortAddress]
    package var workerCount: Int
    /// Nil: without end.
    package var drainTimeout: Duration?
    package var stateDirectory: String
    package var processUser: String?
    package var postgres: Store
    package var redis: Store
}
