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
let translation: [Target.Dependency] = ["Providers", "AnswerPromises"]
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")

func fuzzer(_ name: String, _ more: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["GatewayCore", "WireFormats", "CloudflareWire", "CByteKernels", "FuzzDriver", nioCore] + more,
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
        .target(name: "FuzzDriver", dependencies: ["CFuzzer"], swiftSettings: settings),
        .target(
            name: "AnswerPromises", dependencies: ["FuzzDriver", "GatewayCore", "WireFormats", "Providers", nioCore],
            swiftSettings: settings
        ),
        fuzzer("fuzz-chat", translation),
        fuzzer("fuzz-dialect", translation),
        fuzzer("fuzz-embeddings", translation),
        fuzzer("fuzz-responses", translation),
        fuzzer("fuzz-schema", translation),
        fuzzer("fuzz-usage", translation),
        fuzzer("fuzz-eventstream"),
        fuzzer("fuzz-http1"),
        fuzzer("fuzz-json"),
        fuzzer("fuzz-request"),
        fuzzer("fuzz-sse"),
        fuzzer("fuzz-universal"),
    ]
)
