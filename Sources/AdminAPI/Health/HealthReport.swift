import ControlPlane
package import GatewayCore

/// Whether a node could serve a new request, and the state of everything it depends on: `/readyz` of the control port.
package struct HealthReport: Sendable {
    /// Something the node depends on.
    package struct Dependency: Sendable {
        package var name: String
        package var state: String
        package var since: Instant?
        package var problem: String?

        package init(name: String, state: String, since: Instant?, problem: String? = nil) {
            self.name = name
            self.state = state
            self.since = since
            self.problem = problem
        }
    }

    /// A worker of this node.
    package struct Worker: Sendable {
        package var number: Int
        package var state: String
        package var processID: Int
        package var snapshot: UInt64
        package var connections: UInt64

        package init(number: Int, state: String, processID: Int, snapshot: UInt64, connections: UInt64) {
            self.number = number
            self.state = state
            self.processID = processID
            self.snapshot = snapshot
            self.connections = connections
        }
    }

    package enum Status: String, Sendable {
        case ready
        case draining
        /// No configuration has ever been loaded.
        case noSnapshot = "no snapshot"
    }

    package var status: Status
    /// Version of the snapshot that was handed on last; nil before the first.
    package var snapshot: UInt64?
    package var dependencies: [Dependency]
    package var workers: [Worker]

    package init(status: Status, snapshot: UInt64?, dependencies: [Dependency], workers: [Worker]) {
        self.status = status
        self.snapshot = snapshot
        self.dependencies = dependencies
        self.workers = workers
    }

    /// 503 only when a new request could not be served.
    var answer: AdminAnswer {
        let states = dependencies.map { dependency in
            JSONValue.Member(
                dependency.name,
                [
                    "state": .string(dependency.state),
                    "since": JSONValue(dependency.since.map { Timestamp.text($0) }),
                    "problem": JSONValue(dependency.problem),
                ]
            )
        }
        let list = workers.map { worker -> JSONValue in
            [
                "worker": JSONValue(worker.number), "state": .string(worker.state), "pid": JSONValue(worker.processID),
                "snapshot": .number(String(worker.snapshot)), "connections": .number(String(worker.connections)),
            ]
        }
        let document: JSONValue = [
            "status": .string(status.rawValue), "snapshot": snapshot.map { .number(String($0)) } ?? .null,
            "dependencies": .object(states), "workers": .array(list),
        ]
        return AdminAnswer(
            status: status == .ready ? 200 : 503, contentType: "application/json", body: document.bytes
        )
    }
}
