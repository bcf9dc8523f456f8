import Foundation
import Providers
import Settings

/// The file of `prices.file`: read and checked before any process uses it.
enum PriceListFile {
    /// Bytes of the longest list.
    private static let limit = 64 << 20

    /// The text of the list; empty when none is configured.
    ///
    /// - Errors: names the setting, the file and what is wrong with it.
    static func load(_ settings: DaemonSettings) throws(SettingsError) -> [UInt8] {
        guard let path = settings.pricesFile else { return [] }
        let bytes = try read(path)
        _ = try check(bytes, path)
        return bytes
    }

    static func read(_ path: String) throws(SettingsError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingsError("prices.file: \(path) cannot be read")
        }
        guard data.count <= limit else { throw SettingsError("prices.file: \(path) is longer than 64 MiB") }
        return [UInt8](data)
    }

    static func check(_ bytes: [UInt8], _ path: String) throws(SettingsError) -> PriceCatalog {
        do throws(PriceCatalogError) {
            return try PriceCatalog(bytes: bytes)
        } catch {
            throw SettingsError("prices.file: \(path): \(error)")
        }
    }
}
