// swift-tools-version: 6.2
import PackageDescription

/// What every target compiles with (style guide, "Concurrency").
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
    // Release only: exclusivity is checked dynamically in every test, and costs a tenth of a request's instructions;
    // small functions of one module are inlined into the next. The same for the check, on entry to every closure that
    // code of older language modes calls, that its actor's executor is the current one.
    .unsafeFlags(
        [
            "-enforce-exclusivity=unchecked", "-cross-module-optimization",
            "-Xfrontend", "-disable-dynamic-actor-isolation",
        ],
        .when(configuration: .release)
    ),
]
/// Targets that hold C pointers also have to mark every unsafe expression.
let pointers: [SwiftSetting] = strict + [.strictMemorySafety()]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

let package = Package(
    name: "aigatewayd",
    products: [
        .executable(name: "aigatewayd", targets: ["aigatewayd"]),
        .executable(name: "aigatewayd-worker", targets: ["aigatewayd-worker"]),
        .executable(name: "fake-provider", targets: ["FakeProvider"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
    ],
    targets: [
        // C
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CProcessShim"),
        .target(name: "CByteKernels"),
        .target(name: "CEpoll"),
        .target(name: "CPriceCatalog", exclude: ["prices.json"]),

        // Core: names, units, errors, records, snapshot, ports
        .target(name: "GatewayCore", dependencies: [nioCore], swiftSettings: strict),

        // Decisions and protocols: pure
        .target(name: "WireFormats", dependencies: ["GatewayCore", "CByteKernels", nioCore], swiftSettings: strict),
        .target(name: "CloudflareWire", dependencies: ["GatewayCore", "WireFormats", nioCore], swiftSettings: strict),
        .target(
            name: "Providers",
            dependencies: ["GatewayCore", "WireFormats", "CByteKernels", "CPriceCatalog", nioCore],
            swiftSettings: strict
        ),
        .target(name: "Policy", dependencies: ["GatewayCore"], swiftSettings: strict),
        .target(
            name: "Pipeline",
            dependencies: ["GatewayCore", "WireFormats", "CloudflareWire", "Providers", "Policy", nioCore],
            swiftSettings: strict
        ),

        // Adapters
        .target(name: "WorkerRuntime", dependencies: ["GatewayCore", nioCore, nioPosix], swiftSettings: strict),
        .target(
            name: "RedisStore",
            dependencies: ["GatewayCore", "CHiredis", nioCore, nioPosix, nioSSL],
            swiftSettings: pointers
        ),
        .target(name: "PostgresStore", dependencies: ["GatewayCore", "CLibPQ", nioCore], swiftSettings: pointers),
        .target(
            name: "Upstream",
            dependencies: ["GatewayCore", "WireFormats", nioCore, nioPosix, nioSSL, nioTLS],
            swiftSettings: strict
        ),
        .target(name: "RecordSpool", dependencies: ["GatewayCore", "CByteKernels", nioCore], swiftSettings: strict),
        .target(name: "SecretVault", dependencies: ["GatewayCore", "COpenSSL"], swiftSettings: pointers),
        .target(
            name: "ExternalSecrets", dependencies: ["GatewayCore", nioCore, nioPosix, nioHTTP1, nioSSL],
            swiftSettings: strict
        ),
        .target(name: "TransportSecurity", dependencies: ["GatewayCore", nioCore, nioSSL], swiftSettings: strict),
        .target(
            name: "Outbound", dependencies: ["GatewayCore", "CZlib", nioCore, nioPosix, nioHTTP1, nioSSL],
            swiftSettings: strict
        ),
        .target(name: "Telemetry", dependencies: ["GatewayCore", logging], swiftSettings: strict),
        .target(name: "Settings", dependencies: ["GatewayCore", configuration, yams, nioCore], swiftSettings: strict),
        .target(name: "ProcessRuntime", dependencies: ["GatewayCore", "CProcessShim"], swiftSettings: pointers),

        // Roles
        .target(
            name: "ProxyServer",
            dependencies: ["GatewayCore", "WireFormats", "CloudflareWire", "Pipeline", nioCore, nioPosix, nioSSL],
            swiftSettings: strict
        ),
        .target(name: "Supervision", dependencies: ["GatewayCore", "ProcessRuntime"], swiftSettings: strict),
        .target(name: "FrontDoor", dependencies: ["GatewayCore", "ProcessRuntime"], swiftSettings: strict),
        .target(
            name: "ControlPlane",
            dependencies: [
                "GatewayCore", "Providers", "PostgresStore", "RecordSpool", "SecretVault", "ExternalSecrets",
                "Outbound",
                nioCore, nioPosix, yams,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "AdminAPI",
            dependencies: [
                "GatewayCore", "CloudflareWire", "ControlPlane", "PostgresStore", "SecretVault", "TransportSecurity",
                hummingbird, logging, nioCore, nioPosix, nioSSL,
            ],
            swiftSettings: strict
        ),

        // Executables
        .executableTarget(
            name: "FakeProvider",
            dependencies: ["CEpoll"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "aigatewayd",
            dependencies: [
                "GatewayCore", "Settings", "Telemetry", "ProcessRuntime", "Supervision", "SecretVault", "PostgresStore",
                "RedisStore", "RecordSpool", "ExternalSecrets", "Outbound", "ControlPlane", "AdminAPI", "Providers",
                "CloudflareWire", "TransportSecurity",
                argumentParser,
                logging,
                nioCore, nioPosix, "CLibPQ", "CHiredis", "COpenSSL",
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "aigatewayd-worker",
            dependencies: [
                "GatewayCore", "WireFormats", "CloudflareWire", "Providers", "Policy", "Pipeline", "WorkerRuntime",
                "RedisStore", "Upstream", "RecordSpool", "SecretVault", "Telemetry", "ProxyServer", "ProcessRuntime",
                "FrontDoor", "TransportSecurity", logging, nioCore, nioPosix, nioSSL,
            ],
            swiftSettings: strict
        ),

        // Tests
        .target(
            name: "TestKit", dependencies: ["GatewayCore", "ProcessRuntime", "WorkerRuntime", nioCore, nioPosix],
            path: "Tests/Support/TestKit", swiftSettings: strict
        ),
        .testTarget(
            name: "GatewayCoreTests", dependencies: ["GatewayCore", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "WireFormatsTests",
            dependencies: ["WireFormats", "GatewayCore", "TestKit", nioCore, nioHTTP1, nioEmbedded],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CloudflareWireTests",
            dependencies: ["CloudflareWire", "WireFormats", "GatewayCore", "TestKit", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ProvidersTests",
            dependencies: ["Providers", "WireFormats", "GatewayCore", "Policy", "SecretVault", "TestKit", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ConformanceTests", dependencies: ["Providers", "WireFormats", "GatewayCore", "TestKit", nioCore],
            path: "Tests/Conformance", exclude: ["Fixtures"], swiftSettings: strict
        ),
        .testTarget(
            name: "ProxyServerTests", dependencies: ["ProxyServer", "WireFormats", "GatewayCore", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PolicyTests", dependencies: ["Policy", "GatewayCore", "TestKit"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PipelineTests",
            dependencies: [
                "Pipeline", "CloudflareWire", "Providers", "WireFormats", "GatewayCore", "TestKit", nioCore,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RedisStoreTests",
            dependencies: [
                "RedisStore", "Pipeline", "WireFormats", "WorkerRuntime", "GatewayCore", "TestKit", nioCore, nioPosix,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PostgresStoreTests", dependencies: ["PostgresStore", "GatewayCore", "TestKit", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "UpstreamTests",
            dependencies: [
                "Upstream", "WorkerRuntime", "WireFormats", "GatewayCore", "TestKit", nioCore, nioPosix, nioSSL,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RecordSpoolTests", dependencies: ["RecordSpool", "GatewayCore", "TestKit", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SecretVaultTests", dependencies: ["SecretVault", "GatewayCore", "TestKit"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ExternalSecretsTests",
            dependencies: ["ExternalSecrets", "GatewayCore", nioCore, nioPosix, nioHTTP1],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TelemetryTests", dependencies: ["Telemetry", "GatewayCore", "TestKit", logging],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SettingsTests", dependencies: ["Settings", "GatewayCore", "TestKit", nioCore],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ProcessRuntimeTests", dependencies: ["ProcessRuntime", "GatewayCore"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SupervisionTests", dependencies: ["Supervision", "ProcessRuntime", "GatewayCore"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "FrontDoorTests", dependencies: ["FrontDoor", "ProcessRuntime", "GatewayCore"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "ControlPlane", "PostgresStore", "RecordSpool", "SecretVault", "ExternalSecrets", "Outbound",
                "GatewayCore", "TestKit", nioCore, nioPosix, nioHTTP1,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "AdminAPITests",
            dependencies: [
                "AdminAPI", "ControlPlane", "CloudflareWire", "PostgresStore", "SecretVault", "ExternalSecrets",
                "GatewayCore", "TestKit",
                nioCore, nioPosix, logging,
            ],
            swiftSettings: strict
        ),
    ]
)
