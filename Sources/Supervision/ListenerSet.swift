package import ProcessRuntime

/// The listening sockets of one port, by address.
///
/// They outlive the children that accept on them.
package struct ListenerSet: Sendable {
    private var sockets: [(address: ListenAddress, descriptors: [OwnedDescriptor])] = []

    package init() {}

    /// The same addresses as `wanted` afterwards: sockets that stay are kept, others are opened.
    ///
    /// Fails as a whole, so that a bad configuration leaves the old sockets alone. Dropped addresses are closed when
    /// the last holder of the old set lets go of it.
    package func adopting(_ wanted: [ListenAddress]) throws(SystemError) -> ListenerSet {
        var next = ListenerSet()
        for address in wanted where !next.addresses.contains(address) {
            if let kept = sockets.first(where: { $0.address == address }) {
                next.sockets.append(kept)
            } else {
                next.sockets.append((address, try ListeningSocket.open(address)))
            }
        }
        return next
    }

    package var addresses: [ListenAddress] { sockets.map(\.address) }

    /// In the order of the addresses.
    package var descriptors: [OwnedDescriptor] { sockets.flatMap(\.descriptors) }

    package mutating func removeAll() { sockets = [] }
}
