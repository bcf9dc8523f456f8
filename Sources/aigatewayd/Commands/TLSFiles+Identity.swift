import Foundation
import GatewayCore
import Settings
import TransportSecurity

extension DaemonSettings.TLSFiles {
    /// Bytes of the longest file that is read.
    private static let limit = 1 << 20

    /// Certificate and key, read and tried before any process uses them.
    ///
    /// - Parameter group: the settings' common beginning, such as `data.tls`.
    /// - Errors: names the setting, the file and what is wrong with it; never what the file holds.
    func identity(_ group: String) throws(SettingsError) -> TLSIdentity {
        let identity = TLSIdentity(
            certificateChain: try Self.read(certificate, "\(group).certificate"),
            privateKey: Secret(try Self.read(privateKey, "\(group).private_key"))
        )
        do throws(TLSIdentity.Flaw) {
            _ = try identity.serverContext()
        } catch {
            switch error {
            case .certificate:
                throw SettingsError("\(group).certificate: \(certificate) holds no certificate in PEM form")
            case .privateKey:
                throw SettingsError("\(group).private_key: \(privateKey) holds no unencrypted private key in PEM form")
            case .pair:
                throw SettingsError("\(group).private_key: \(privateKey) is not the key of \(certificate)")
            }
        }
        return identity
    }

    private static func read(_ path: String, _ setting: String) throws(SettingsError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingsError("\(setting): \(path) cannot be read")
        }
        guard data.count <= limit else { throw SettingsError("\(setting): \(path) is longer than 1 MiB") }
        return [UInt8](data)
    }
}
