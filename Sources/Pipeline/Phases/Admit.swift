package import CloudflareWire
package import GatewayCore
import Providers

/// A request whose gateway exists and whose sender may use it.
package final class Admitted: Sendable {
    package let inbound: Inbound
    /// The configuration that this request runs on, to its end.
    package let index: SnapshotIndex
    package let gateway: GatewayPlan
    /// What is in force for this call.
    package let settings: CallSettings
    /// The gateway credential that came along, if a valid one did.
    let granted: Granted?
    private let credentials: Credentials
    /// What is remembered of heads that equal this one.
    let memory: HeadMemory?

    /// The rights of the gateway credential that came along, if a valid one did.
    package var grant: TokenGrant? { granted?.grant }
    /// Credential fields of the head that hold a gateway token or nothing; no provider sees them.
    package var withheldFields: [Int] { credentials.withheld }
    /// The provider key that the request itself carries, without its scheme word.
    package var providerKey: Secret<String>? { credentials.providerKey }
    /// Fields in which `providerKey` came.
    package var providerKeyFields: [Int] { credentials.providerKeyFields }
    /// Where in the head gateway tokens stand; no field that repeats one is passed on.
    package var tokens: [Range<Int>] { credentials.tokens }
    /// Query parameters that hold a gateway token, which no provider sees.
    package var withheldQueryKeys: [String] { credentials.withheldQueryKeys }
    /// Whether the query's `key` parameter holds a provider key.
    package var hasQueryKey: Bool { credentials.hasQueryKey }

    fileprivate init(
        _ inbound: Inbound, to gateway: GatewayPlan, index: SnapshotIndex, granted: Granted?,
        settings: CallSettings, _ credentials: Credentials, memory: HeadMemory? = nil
    ) {
        self.inbound = inbound
        self.index = index
        self.gateway = gateway
        self.granted = granted
        self.settings = settings
        self.credentials = credentials
        self.memory = memory
    }
}

/// Second phase: finds out who is asking for which gateway, and whether they may.
@WorkerLoop
struct Admit {
    let environment: WorkerEnvironment
    let memo: ConnectionMemo

    /// Header fields in which any provider's clients put a credential.
    static let credentialFields: [StaticString] = [
        "authorization", "x-api-key", "x-goog-api-key", "api-key", "xi-api-key",
    ]

    /// A request whose head equals an admitted one's, on the same configuration.
    func admit(again inbound: Inbound, _ known: HeadMemory, in index: SnapshotIndex) throws(GatewayError) -> Admitted {
        Admitted(
            inbound, to: known.gateway, index: index,
            granted: try check(known.credentials, for: known.gateway, at: inbound.receivedAt),
            settings: known.settings, known.credentials, memory: known
        )
    }

    /// Nil when there is no such gateway: then `admitToMissing` decides.
    func admit(_ inbound: Inbound, in index: SnapshotIndex) throws(GatewayError) -> Admitted? {
        guard let gateway = find(inbound, in: index) else { return nil }
        return try admit(inbound, to: gateway, index: index, credentials: credentials(of: inbound, in: index))
    }

    private func find(_ inbound: Inbound, in index: SnapshotIndex) -> GatewayPlan? {
        let address = inbound.address
        return inbound.head.withBytes { bytes in
            let prefix = UnsafeRawBufferPointer(
                rebasing: bytes[address.account.lowerBound..<address.gateway.upperBound])
            if let known = memo.gateway(prefix, in: index) { return known }
            let account = AccountID(String(decoding: bytes[address.account], as: UTF8.self))
            let id = GatewayID(String(decoding: bytes[address.gateway], as: UTF8.self))
            guard let plan = index.gateway(id, of: account) else { return nil }
            memo.remember(prefix, plan)
            return plan
        }
    }

    private func admit(
        _ inbound: Inbound, to gateway: GatewayPlan, index: SnapshotIndex, credentials: Credentials
    ) throws(GatewayError) -> Admitted {
        let granted = try check(credentials, for: gateway, at: inbound.receivedAt)
        let settings = CallSettings.resolve(
            step: nil, request: inbound.directives, gateway: gateway, within: environment.limits.settings
        )
        return Admitted(
            inbound, to: gateway, index: index, granted: granted, settings: settings, credentials,
            memory: memo.remember(inbound, credentials, gateway, settings)
        )
    }

    /// The gateway credential that counts; there has to be one where the gateway asks for it.
    private func check(
        _ credentials: Credentials, for gateway: GatewayPlan, at now: Instant
    ) throws(GatewayError) -> Granted? {
        let granted = credentials.granted(for: gateway.account, at: now)
        if gateway.authentication, granted == nil {
            throw GatewayError(.unauthorized, origin: .client, detail: "no valid gateway credential")
        }
        return granted
    }

    /// A step of an admitted request: with its own address and provider credentials, on the request's own rights.
    func admit(step inbound: Inbound, _ settings: CallSettings, of outer: Admitted) -> Admitted {
        Admitted(
            inbound, to: outer.gateway, index: outer.index, granted: outer.granted, settings: settings,
            credentials(of: inbound, in: outer.index)
        )
    }

    /// The rules for a gateway that does not exist (data-plane §1.5, §10.2).
    func admitToMissing(_ inbound: Inbound, in index: SnapshotIndex) async throws(GatewayError) -> Admitted {
        let credentials = credentials(of: inbound, in: index)
        let (account, id, isWellFormed) = inbound.head.withBytes { bytes in
            let account = bytes[inbound.address.account]
            return (
                AccountID(String(decoding: account, as: UTF8.self)),
                GatewayID(String(decoding: bytes[inbound.address.gateway], as: UTF8.self)),
                AccountID.isWellFormed(account)
            )
        }
        guard isWellFormed, index.knows(account) else {
            throw GatewayError(.unauthorized, origin: .client, detail: "unknown account")
        }
        guard id == .default else { throw GatewayError(.gatewayNotFound, origin: .client) }
        guard credentials.granted(for: account, at: inbound.receivedAt) != nil else {
            throw GatewayError(.unauthorized, origin: .client, detail: "the default gateway is created for tokens only")
        }
        try await environment.provisioner.provisionDefaultGateway(of: account)
        guard let renewed = environment.snapshots.current, let gateway = find(inbound, in: renewed) else {
            throw GatewayError(.gatewayNotFound, origin: .gateway, detail: "the default gateway did not appear")
        }
        return try admit(inbound, to: gateway, index: renewed, credentials: self.credentials(of: inbound, in: renewed))
    }

    /// Sorts credential fields into gateway tokens (any account's: they never leave) and provider keys.
    private func credentials(of inbound: Inbound, in index: SnapshotIndex) -> Credentials {
        var found = Credentials.Sorting()
        let head = inbound.head
        head.withBytes { bytes in
            if let range = inbound.directives.authorization, let grant = grant(bytes, range, in: index) {
                found.grants.append(grant)
                found.tokens.append(range)
            }
            if let query = inbound.address.query { sort(query: head.text(query), in: index, into: &found) }
            for (position, field) in head.fields.enumerated() where isCredential(bytes, field) {
                guard let range = Credential.withoutScheme(bytes, field.value) else {
                    found.withheld.append(position)
                    continue
                }
                if let (grant, token) = token(bytes, range, in: index) {
                    found.grants.append(grant)
                    found.tokens.append(token)
                    found.withheld.append(position)
                } else {
                    found.providerKeyFields.append(position)
                    if found.providerKey == nil {
                        found.providerKey = Secret(String(decoding: bytes[range], as: UTF8.self))
                    }
                }
            }
        }
        return Credentials(found)
    }

    private func sort(query: String, in index: SnapshotIndex, into found: inout Credentials.Sorting) {
        for (name, value) in QueryPairs.credentials(in: query) {
            var value = value
            if let grant = value.withUTF8({
                memo.grant(UnsafeRawBufferPointer($0), in: index, hasher: environment.hasher)
            }) {
                found.grants.append(grant)
                found.withheldQueryKeys.append(name)
            } else if name == "key", !value.isEmpty {
                found.hasQueryKey = true
            }
        }
    }

    /// The gateway token in a credential without its scheme: all of it, behind a second scheme word, or its last word.
    private func token(
        _ bytes: UnsafeRawBufferPointer, _ credential: Range<Int>, in index: SnapshotIndex
    ) -> (Granted, Range<Int>)? {
        var range = credential
        if let grant = grant(bytes, range, in: index) { return (grant, range) }
        while let inner = Credential.withoutScheme(bytes, range), inner != range {
            range = inner
            if let grant = grant(bytes, range, in: index) { return (grant, range) }
        }
        var start = range.upperBound
        while start > range.lowerBound, !Self.endsWord(bytes[start - 1]) { start -= 1 }
        let last = start..<range.upperBound
        guard !last.isEmpty, last != range, let grant = grant(bytes, last, in: index) else { return nil }
        return (grant, last)
    }

    /// Space, equals sign, quotation mark.
    private static func endsWord(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x3d || byte == 0x22 }

    private func isCredential(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice) -> Bool {
        if field.kind == .authorization { return true }
        guard field.kind == .other else { return false }
        let first = bytes[Int(field.nameStart)] | 0x20
        guard first == 0x78 || first == 0x61 else { return false }  // x…, a…
        return Self.credentialFields.contains { $0.matches(bytes, field.name) }
    }

    private func grant(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, in index: SnapshotIndex
    ) -> Granted? {
        memo.grant(UnsafeRawBufferPointer(rebasing: bytes[range]), in: index, hasher: environment.hasher)
    }
}
