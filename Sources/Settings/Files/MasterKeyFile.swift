import GatewayCore

/// The file with the key that encrypts all stored secrets.
package enum MasterKeyFile {
    /// The keys: from `secrets.master_key_file`, else from `master.key` in the state directory, which is made if missing.
    ///
    /// - Errors: a named file that is missing, a file that others can read, content that is not 32 bytes in base64.
    package static func load(_ settings: DaemonSettings) throws(SettingsError) -> MasterKeyRing {
        let path = path(settings)
        if let content = try PrivateFile.read(path) {
            guard let ring = MasterKeyRing(content) else {
                throw SettingsError("\(path) does not hold a master key; expected 32 bytes in base64")
            }
            return ring
        }
        if settings.masterKeyFile != nil { throw SettingsError("secrets.master_key_file: \(path) does not exist") }
        var random = SystemRandomNumberGenerator()
        let fresh = (0..<MasterKeyRing.keyLength).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let ring = MasterKeyRing(current: Secret(fresh))
        try PrivateFile.write(ring.content, to: path)
        return ring
    }

    /// Replaces the file as a whole; mode 0600 and the owner that it had.
    package static func store(_ ring: MasterKeyRing, _ settings: DaemonSettings) throws(SettingsError) {
        try PrivateFile.write(ring.content, to: path(settings))
    }

    /// Where the file is.
    package static func path(_ settings: DaemonSettings) -> String {
        settings.masterKeyFile ?? settings.stateDirectory + "/master.key"
    }
}
