package import NIOCore

extension RequestRecord {
    /// Appends the record's fields to `buffer`.
    package func encode(into buffer: inout ByteBuffer) {
        buffer.writeRecord(estimate: estimatedLength) { encode(into: &$0) }
    }

    /// Bytes that most records take without their bodies.
    package static let usualLength = 2048

    var estimatedLength: Int {
        Self.usualLength + (requestBody?.readableBytes ?? 0) + (responseBody?.readableBytes ?? 0)
    }

    /// Writes the record's fields.
    package func encode(into out: inout RecordEncoder) {
        out.write(.idHigh, fixed: id.high)
        out.write(.idLow, fixed: id.low)
        out.write(.eventID, eventID)
        out.write(.account, account.rawValue)
        out.write(.gateway, gateway.rawValue)
        out.write(.createdAt, fixed: UInt64(bitPattern: createdAt.microseconds))
        out.write(.provider, provider.rawValue)
        out.write(.model, model)
        out.write(.modelType, modelType)
        out.write(.path, path)
        out.write(.method, method)
        out.write(.requestType, requestType)
        out.write(.requestContentType, requestContentType)
        out.write(.responseContentType, responseContentType)
        out.write(.status, UInt64(clamping: status))
        out.write(.success, success)
        out.write(.cached, cached)
        out.write(.step, UInt64(clamping: step))
        out.write(.duration, signed: duration.wholeMicroseconds)
        out.write(.firstByte, signed: firstByte?.wholeMicroseconds)
        out.write(.cost, signed: cost?.picoDollars)
        out.write(.customCost, customCost)
        out.write(.metadata, metadata)
        out.write(.requestSize, UInt64(clamping: requestSize))
        out.write(.responseSize, UInt64(clamping: responseSize))
        out.write(.requestBody, requestBody)
        out.write(.responseBody, responseBody)
        out.write(.requestBodyIsCut, !requestBodyComplete)
        out.write(.responseBodyIsCut, !responseBodyComplete)
        out.write(.streamed, streamed)
        out.write(.authenticated, authenticated)
        out.write(.token, token?.rawValue)
        out.write(.keyAlias, keyAlias?.rawValue)
        out.write(.userAgent, userAgent)
        out.write(.errorCode, errorCode)
        out.write(.feedback, feedback)
        out.write(.droppedMembers, droppedMembers)
        out.write(.traceID, traceID)
        out.write(.parentSpanID, parentSpanID)
        out.write(.unlogged, unlogged)
        out.write(.retried, retried)
        out.write(.usage, usage)
    }

    /// Reads one record; nil when the bytes lack an id, an account or a gateway, or are damaged.
    package init?(decoding buffer: ByteBuffer) {
        var reader = TaggedReader(buffer)
        var high: UInt64?
        var low: UInt64?
        var record = RequestRecord(
            id: LogID(high: 0, low: 0), eventID: "", account: "", gateway: "", createdAt: Instant(microseconds: 0)
        )
        while let field = reader.next() {
            switch RecordField(rawValue: field.number) {
            case .idHigh: high = field.unsigned
            case .idLow: low = field.unsigned
            case .eventID: record.eventID = field.string
            case .account: record.account = AccountID(field.string)
            case .gateway: record.gateway = GatewayID(field.string)
            case .createdAt: record.createdAt = Instant(microseconds: Int64(bitPattern: field.unsigned))
            case .provider: record.provider = ProviderID(field.string)
            case .model: record.model = field.string
            case .modelType: record.modelType = field.string
            case .path: record.path = field.string
            case .method: record.method = field.string
            case .requestType: record.requestType = field.string
            case .requestContentType: record.requestContentType = field.string
            case .responseContentType: record.responseContentType = field.string
            case .status: record.status = Int(clamping: field.unsigned)
            case .success: record.success = field.bool
            case .cached: record.cached = field.bool
            case .step: record.step = Int(clamping: field.unsigned)
            case .duration: record.duration = .microseconds(field.signed)
            case .firstByte: record.firstByte = .microseconds(field.signed)
            case .cost: record.cost = PicoUSD(picoDollars: field.signed)
            case .customCost: record.customCost = field.bool
            case .metadata: record.metadata = field.string
            case .requestSize: record.requestSize = Int(clamping: field.unsigned)
            case .responseSize: record.responseSize = Int(clamping: field.unsigned)
            case .requestBody: record.requestBody = field.buffer
            case .responseBody: record.responseBody = field.buffer
            case .requestBodyIsCut: record.requestBodyComplete = !field.bool
            case .responseBodyIsCut: record.responseBodyComplete = !field.bool
            case .streamed: record.streamed = field.bool
            case .authenticated: record.authenticated = field.bool
            case .token: record.token = TokenID(field.string)
            case .keyAlias: record.keyAlias = KeyAlias(field.string)
            case .userAgent: record.userAgent = field.string
            case .errorCode: record.errorCode = field.int
            case .feedback: record.feedback = field.int
            case .droppedMembers: record.droppedMembers = field.string
            case .traceID: record.traceID = field.string
            case .parentSpanID: record.parentSpanID = field.string
            case .unlogged: record.unlogged = field.bool
            case .retried: record.retried = field.bool
            case .usage: record.usage = Usage(decoding: field.nested)
            case nil: break
            }
        }
        guard let high, let low, !reader.isDamaged, !record.account.rawValue.isEmpty,
            !record.gateway.rawValue.isEmpty
        else { return nil }
        record.id = LogID(high: high, low: low)
        self = record
    }
}

extension Duration {
    /// Microseconds, rounded down.
    package var wholeMicroseconds: Int64 {
        // Nine seconds of attoseconds fit into 64 bits, whose division is a tenth of that of 128.
        if let short = Int64(exactly: self.attoseconds) { return short / 1_000_000_000_000 }
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

extension Usage {
    func encode(into out: inout RecordEncoder) {
        out.write(usage: .input, input)
        out.write(usage: .cached, cached)
        out.write(usage: .cacheWrite5m, cacheWrite5m)
        out.write(usage: .cacheWrite1h, cacheWrite1h)
        out.write(usage: .cacheWrite12h, cacheWrite12h)
        out.write(usage: .output, output)
        out.write(usage: .reasoning, reasoning)
        out.write(usage: .inputAudio, inputAudio)
        out.write(usage: .outputAudio, outputAudio)
        out.write(usage: .cachedAudio, cachedAudio)
        out.write(usage: .inputImage, inputImage)
        out.write(usage: .outputImage, outputImage)
        out.write(usage: .cachedImage, cachedImage)
        out.write(usage: .inputVideo, inputVideo)
        out.write(usage: .outputVideo, outputVideo)
        out.write(usage: .citation, citation)
        out.write(usage: .webSearches, webSearches)
        out.write(usage: .characters, characters)
        out.write(usage: .milliseconds, milliseconds)
        out.write(usage: .images, images)
        out.write(usage: .pages, pages)
        out.write(usage: .requests, requests)
        out.write(usage: .searchUnits, searchUnits)
        out.write(usage: .upstreamCost, upstreamCost.map { Int($0.picoDollars) })
        out.write(usage: .serviceTier, serviceTier)
        out.write(usage: .inferenceGeo, inferenceGeo)
        out.write(usage: .speed, speed)
    }

    init(decoding reader: TaggedReader) {
        self.init()
        var reader = reader
        while let field = reader.next() {
            switch UsageField(rawValue: field.number) {
            case .input: input = field.int
            case .cached: cached = field.int
            case .cacheWrite5m: cacheWrite5m = field.int
            case .cacheWrite1h: cacheWrite1h = field.int
            case .cacheWrite12h: cacheWrite12h = field.int
            case .output: output = field.int
            case .reasoning: reasoning = field.int
            case .inputAudio: inputAudio = field.int
            case .outputAudio: outputAudio = field.int
            case .cachedAudio: cachedAudio = field.int
            case .inputImage: inputImage = field.int
            case .outputImage: outputImage = field.int
            case .cachedImage: cachedImage = field.int
            case .inputVideo: inputVideo = field.int
            case .outputVideo: outputVideo = field.int
            case .citation: citation = field.int
            case .webSearches: webSearches = field.int
            case .characters: characters = field.int
            case .milliseconds: milliseconds = field.int
            case .images: images = field.int
            case .pages: pages = field.int
            case .requests: requests = field.int
            case .searchUnits: searchUnits = field.int
            case .upstreamCost: upstreamCost = PicoUSD(picoDollars: field.signed)
            case .serviceTier: serviceTier = field.string
            case .inferenceGeo: inferenceGeo = field.string
            case .speed: speed = field.string
            case nil: break
            }
        }
    }
}
