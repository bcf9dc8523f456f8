// swift-tools-version: 6.2
import PackageDescription

// The parsers, compiled with coverage for libFuzzer and with AddressSanitizer. Their sources are links into the main
// package, so that the fuzz targets share their package and see what is not public. Built without optimization: only
// then are accesses past the end of a buffer checked.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .unsafeFlags(["-sanitize=fuzzer,address"]),
]
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")

func fuzzer(_ name: String, _ more: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["GatewayCore", "WireFormats", "CloudflareWire", "CByteKernels", "CFuzzer", nioCore] + more,
        swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]
    )
}

let package = Package(
    name: "fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-nio", exact: "2.101.2")],
    targets: [
        .target(name: "CFuzzer"),
        .target(name: "CByteKernels", cSettings: [.unsafeFlags(["-fsanitize=address,fuzzer-no-link"])]),
        .target(name: "GatewayCore", dependencies: [nioCore], swiftSettings: settings),
        .target(name: "WireFormats", dependencies: ["GatewayCore", "CByteKernels", nioCore], swiftSettings: settings),
        .target(
            name: "CloudflareWire", dependencies: ["GatewayCore", "WireFormats", nioCore], swiftSettings: settings
        ),
        .target(name: "CPriceCatalog", exclude: ["prices.json"]),
        .target(
            name: "Providers", dependencies: ["GatewayCore", "WireFormats", "CByteKernels", "CPriceCatalog", nioCore],
            swiftSettings: settings
        ),
        fuzzer("fuzz-chat", ["Providers"]),
        fuzzer("fuzz-eventstream"),
        fuzzer("fuzz-http1"),
        fuzzer("fuzz-json"),
        fuzzer("fuzz-request"),
        fuzzer("fuzz-sse"),
        fuzzer("fuzz-universal"),
    ]
)
