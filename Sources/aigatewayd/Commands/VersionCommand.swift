import ArgumentParser
import CHiredis
import CLibPQ
import COpenSSL

/// `aigatewayd version`: this release and the libraries it runs with.
struct VersionCommand: ParsableCommand {
    /// The release.
    static let current = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version of the daemon and of the libraries it uses."
    )

    func run() {
        let postgres = PQlibVersion()
        print("aigatewayd \(Self.current)")
        print("Swift \(Self.compiler)")
        print("libpq \(postgres / 10000).\(postgres % 10000)")
        print("hiredis \(HIREDIS_MAJOR).\(HIREDIS_MINOR).\(HIREDIS_PATCH)")
        print(OpenSSL_version(OPENSSL_VERSION).map { String(cString: $0) } ?? "OpenSSL")
    }

    /// The language version the executable was built with.
    private static var compiler: String {
        #if compiler(>=6.4)
            "6.4 or later"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
}
