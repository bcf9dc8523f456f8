package import GatewayCore

/// Seals secrets for the database and opens them again.
///
/// Every secret has a data key of its own, which only the master key opens; account and secret id are authenticated
/// with both layers, so an envelope that is moved to another row does not open there.
///
/// - Envelope, version 1: `u8` 1 · 8 bytes fingerprint of the master key · 12 bytes nonce and 48 bytes wrapped data key
///   with tag · 12 bytes nonce · ciphertext · 16 bytes tag.
package struct Vault: Sendable {
    private static let version: UInt8 = 1
    private static let fingerprintLength = 8
    private static let wrappedLength = AuthenticatedCipher.keyLength + AuthenticatedCipher.tagLength
    private static let headLength =
        1 + fingerprintLength + AuthenticatedCipher.nonceLength + wrappedLength + AuthenticatedCipher.nonceLength

    private let masterKey: MasterKey

    package init(masterKey: MasterKey) { self.masterKey = masterKey }

    /// Encrypts a secret's value for storage.
    package func seal(
        _ plaintext: Secret<[UInt8]>, account: AccountID, secretID: SecretID
    ) throws(VaultError) -> [UInt8] {
        var dataKey = try RandomBytes.make(count: AuthenticatedCipher.keyLength)
        defer { dataKey.wipe() }
        let valueNonce = try RandomBytes.make(count: AuthenticatedCipher.nonceLength)
        let sealed = try Self.sealValue(
            plaintext, dataKey: dataKey, nonce: valueNonce,
            context: Self.context(.value, account: account, secretID: secretID)
        )
        return try head(wrapping: dataKey, account: account, secretID: secretID) + valueNonce + sealed
    }

    /// Decrypts an envelope that `seal` made for the same account and secret.
    package func open(
        _ envelope: [UInt8], account: AccountID, secretID: SecretID
    ) throws(VaultError) -> Secret<[UInt8]> {
        let parts = try Parts(envelope)
        var dataKey = try openDataKey(parts, account: account, secretID: secretID)
        defer { dataKey.wipe() }
        return try Self.openValue(
            parts.sealedValue, dataKey: dataKey, nonce: parts.valueNonce,
            context: Self.context(.value, account: account, secretID: secretID)
        )
    }

    /// The same envelope with its data key under the present master key; nil when that wraps it already.
    ///
    /// The value's ciphertext is left as it is: the value is not decrypted.
    package func rewrap(
        _ envelope: [UInt8], account: AccountID, secretID: SecretID
    ) throws(VaultError) -> [UInt8]? {
        let parts = try Parts(envelope)
        if Digest.areEqual(parts.fingerprint, masterKey.fingerprint) { return nil }
        var dataKey = try openDataKey(parts, account: account, secretID: secretID)
        defer { dataKey.wipe() }
        return try head(wrapping: dataKey, account: account, secretID: secretID) + parts.valueNonce + parts.sealedValue
    }

    /// An envelope taken apart.
    private struct Parts {
        var fingerprint: [UInt8]
        var keyNonce: [UInt8]
        var wrappedKey: [UInt8]
        var valueNonce: [UInt8]
        var sealedValue: [UInt8]

        init(_ envelope: [UInt8]) throws(VaultError) {
            guard envelope.first == Vault.version,
                envelope.count >= Vault.headLength + AuthenticatedCipher.tagLength
            else { throw .unknownEnvelope }
            var rest = envelope[1...]
            func take(_ count: Int) -> [UInt8] {
                defer { rest = rest.dropFirst(count) }
                return Array(rest.prefix(count))
            }
            fingerprint = take(Vault.fingerprintLength)
            keyNonce = take(AuthenticatedCipher.nonceLength)
            wrappedKey = take(Vault.wrappedLength)
            valueNonce = take(AuthenticatedCipher.nonceLength)
            sealedValue = Array(rest)
        }
    }

    private func openDataKey(
        _ parts: Parts, account: AccountID, secretID: SecretID
    ) throws(VaultError) -> [UInt8] {
        try unsafe masterKey.withBytes(named: parts.fingerprint) { (key) throws(VaultError) in
            try unsafe AuthenticatedCipher.open(
                parts.wrappedKey, key: key, nonce: parts.keyNonce,
                authenticating: Self.context(.dataKey, account: account, secretID: secretID)
            )
        }
    }

    /// Version, fingerprint, nonce and wrapped data key.
    private func head(
        wrapping dataKey: [UInt8], account: AccountID, secretID: SecretID
    ) throws(VaultError) -> [UInt8] {
        let nonce = try RandomBytes.make(count: AuthenticatedCipher.nonceLength)
        let wrapped = try unsafe masterKey.withBytes { (key) throws(VaultError) in
            try unsafe AuthenticatedCipher.seal(
                dataKey, key: key, nonce: nonce,
                authenticating: Self.context(.dataKey, account: account, secretID: secretID)
            )
        }
        return [Self.version] + masterKey.fingerprint + nonce + wrapped
    }

    /// Opens a sealed secret as the snapshot carries it.
    package func open(_ secret: SealedSecret) throws(VaultError) -> Secret<[UInt8]> {
        try open(secret.envelope, account: secret.account, secretID: secret.id)
    }

    private enum Purpose: String {
        case dataKey = "aigatewayd/secret-data-key/v1"
        case value = "aigatewayd/secret-value/v1"
    }

    /// What is authenticated beside the ciphertext: length-prefixed, so that no two triples give the same bytes.
    private static func context(_ purpose: Purpose, account: AccountID, secretID: SecretID) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in [purpose.rawValue, account.rawValue, secretID.rawValue] {
            unsafe withUnsafeBytes(of: UInt32(part.utf8.count).littleEndian) { unsafe bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: part.utf8)
        }
        return bytes
    }

    private static func sealValue(
        _ plaintext: Secret<[UInt8]>, dataKey: [UInt8], nonce: [UInt8], context: [UInt8]
    ) throws(VaultError) -> [UInt8] {
        let result = unsafe dataKey.withUnsafeBytes { key in
            Result { () throws(VaultError) in
                try unsafe AuthenticatedCipher.seal(
                    plaintext.reveal(), key: key, nonce: nonce, authenticating: context
                )
            }
        }
        return try result.get()
    }

    private static func openValue(
        _ sealed: [UInt8], dataKey: [UInt8], nonce: [UInt8], context: [UInt8]
    ) throws(VaultError) -> Secret<[UInt8]> {
        let result = unsafe dataKey.withUnsafeBytes { key in
            Result { () throws(VaultError) in
                try unsafe AuthenticatedCipher.open(sealed, key: key, nonce: nonce, authenticating: context)
            }
        }
        return Secret(try result.get())
    }
}
