/// How much of everything there may be: the numbers below `limits.` (control-plane §18 · documented; decisions 19).
package struct ProductLimits: Sendable, Equatable {
    package var gatewaysPerAccount = 1000
    package var dynamicRoutesPerGateway = 1000
    package var percentageBranches = 5
    package var spendRulesPerGateway = 20
    package var datasetsPerEvaluation = 5
    package var logpushJobsPerAccount = 4
    /// Bytes of bodies and metadata of one pushed request.
    package var logpushEntry = 1 << 20
    package var secretStoresPerAccount = 100
    package var secretsPerAccount = 1000
    package var tokensPerAccount = 500
    /// Calls of one token on one node; zero: any number.
    package var apiRequestsPerFiveMinutes = 0
    /// Rows that a call may delete.
    package var logDeletionRows = 10_000
    package var logRowsPerGateway = 10_000_000
    /// Log entries of one gateway on one node; zero: any number.
    package var logsPerSecond = 500
    /// Bytes of both bodies that a log entry keeps.
    package var logEntry = 10 << 20
    /// Entries of a request's metadata.
    package var metadataEntries = 5
    /// Bytes of a request that can be answered from the cache.
    package var cacheableRequest = 25 << 20
    /// Seconds for which an answer can be kept.
    package var cacheTTL = 2_592_000
    /// Tries of one call.
    package var retryAttempts = 5
    /// Milliseconds between two tries.
    package var retryDelay = 60_000

    package init() {}

    /// Numbers of the fields on the way to other processes; none is used twice, ever.
    private static let fields: [(number: UInt16, path: any WritableKeyPath<ProductLimits, Int> & Sendable)] = [
        (1, \.gatewaysPerAccount), (2, \.dynamicRoutesPerGateway), (3, \.percentageBranches),
        (4, \.spendRulesPerGateway), (5, \.datasetsPerEvaluation), (6, \.logpushJobsPerAccount), (7, \.logpushEntry),
        (8, \.secretStoresPerAccount), (9, \.secretsPerAccount), (10, \.tokensPerAccount),
        (11, \.apiRequestsPerFiveMinutes), (12, \.logDeletionRows), (13, \.logRowsPerGateway), (14, \.logsPerSecond),
        (15, \.logEntry), (16, \.metadataEntries), (17, \.cacheableRequest), (18, \.cacheTTL), (19, \.retryAttempts),
        (20, \.retryDelay),
    ]

    package func encode(into out: inout TaggedWriter) {
        for field in Self.fields { out.write(field.number, self[keyPath: field.path]) }
    }

    /// What is absent keeps its default.
    package init(decoding reader: TaggedReader) {
        self.init()
        var reader = reader
        while let field = reader.next() {
            guard let known = Self.fields.first(where: { $0.number == field.number }) else { continue }
            self[keyPath: known.path] = field.int
        }
    }
}
