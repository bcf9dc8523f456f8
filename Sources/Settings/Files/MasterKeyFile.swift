import Foundation
package import GatewayCore

/// The file with the key that encrypts all stored secrets: 32 bytes in base64.
package enum MasterKeyFile {
    package static let keyLength = 32

    /// The key: from `secrets.master_key_file`, else from `master.key` in the state directory, which is made if missing.
    ///
    /// - Errors: a named file that is missing, a file that others can read, content that is not 32 bytes in base64.
    package static func load(_ settings: DaemonSettings) throws(SettingsError) -> Secret<[UInt8]> {
        if let path = settings.masterKeyFile {
            guard let bytes = try PrivateFile.read(path) else {
                throw SettingsError("secrets.master_key_file: \(path) does not exist")
            }
            return try key(bytes, path: path)
        }
        let path = settings.stateDirectory + "/master.key"
        if let bytes = try PrivateFile.read(path) { return try key(bytes, path: path) }
        var random = SystemRandomNumberGenerator()
        let fresh = (0..<keyLength).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        try PrivateFile.write(Array((Data(fresh).base64EncodedString() + "\n").utf8), to: path)
        return Secret(fresh)
    }

    private static func key(_ bytes: [UInt8], path: String) throws(SettingsError) -> Secret<[UInt8]> {
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let data = Data(base64Encoded: text), data.count == keyLength else {
            throw SettingsError("\(path) does not hold a master key; expected 32 bytes in base64")
        }
        return Secret(Array(data))
    }
}
