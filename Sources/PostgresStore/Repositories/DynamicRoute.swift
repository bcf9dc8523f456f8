package import GatewayCore

/// A dynamic route with the version that is in force (control-plane.md §6).
package struct DynamicRoute: Sendable, Equatable {
    package var id: String
    package var account: AccountID
    package var gateway: GatewayID
    package var name: String
    package var createdAt: Instant
    package var modifiedAt: Instant
    package var deployment: DynamicRouteDeployment
    /// The one that is deployed.
    package var version: DynamicRouteVersion
}

/// One state of a route's graph; never changed once it is made.
package struct DynamicRouteVersion: Sendable, Equatable {
    package var id: String
    /// A JSON array in text form, as it was sent.
    package var elements: String
    /// Whether the graph can be run.
    package var isValid: Bool
    package var isActive: Bool
    package var createdAt: Instant
}

/// The act of putting a version in force.
package struct DynamicRouteDeployment: Sendable, Equatable {
    package var id: String
    package var version: String
    package var createdAt: Instant
}

/// What is new in a route or a version of it.
package struct DynamicRouteGraph: Sendable {
    package var version: String
    package var elements: String
    package var isValid: Bool

    package init(version: String, elements: String, isValid: Bool) {
        self.version = version
        self.elements = elements
        self.isValid = isValid
    }
}

/// Why a route was not changed.
package enum DynamicRouteRefusal: Error, Sendable, Equatable {
    case noSuchGateway
    case noSuchRoute
    case noSuchVersion
    case nameTaken
    case routesExceeded
}
