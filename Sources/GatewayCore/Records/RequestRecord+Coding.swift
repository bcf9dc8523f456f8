package import NIOCore

extension RequestRecord {
    /// Appends the record's fields to `buffer`.
    ///
    /// Numbers are never reused.
    package func encode(into buffer: inout ByteBuffer) {
        var out = TaggedWriter(buffer)
        buffer = ByteBuffer()
        out.write(1, fixed: id.high)
        out.write(2, fixed: id.low)
        out.write(3, eventID)
        out.write(4, account.rawValue)
        out.write(5, gateway.rawValue)
        out.write(6, fixed: UInt64(bitPattern: createdAt.microseconds))
        out.write(7, provider.rawValue)
        out.write(8, model)
        out.write(9, modelType)
        out.write(10, path)
        out.write(11, method)
        out.write(12, requestType)
        out.write(13, requestContentType)
        out.write(14, responseContentType)
        out.write(15, UInt64(clamping: status))
        out.write(16, success)
        out.write(17, cached)
        out.write(18, UInt64(clamping: step))
        out.write(19, signed: duration.wholeMicroseconds)
        out.write(20, signed: firstByte?.wholeMicroseconds)
        out.write(21, signed: cost?.picoDollars)
        out.write(22, customCost)
        out.write(23, metadata)
        out.write(24, UInt64(clamping: requestSize))
        out.write(25, UInt64(clamping: responseSize))
        out.write(26, bytes: requestBody)
        out.write(27, bytes: responseBody)
        out.write(28, !requestBodyComplete)
        out.write(29, !responseBodyComplete)
        out.write(30, streamed)
        out.write(31, authenticated)
        out.write(32, token?.rawValue)
        out.write(33, keyAlias?.rawValue)
        out.write(34, userAgent)
        out.write(35, errorCode)
        out.write(36, feedback)
        if !usage.isEmpty { out.write(40) { usage.encode(into: &$0) } }
        buffer = out.buffer
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
            switch field.number {
            case 1: high = field.unsigned
            case 2: low = field.unsigned
            case 3: record.eventID = field.string
            case 4: record.account = AccountID(field.string)
            case 5: record.gateway = GatewayID(field.string)
            case 6: record.createdAt = Instant(microseconds: Int64(bitPattern: field.unsigned))
            case 7: record.provider = ProviderID(field.string)
            case 8: record.model = field.string
            case 9: record.modelType = field.string
            case 10: record.path = field.string
            case 11: record.method = field.string
            case 12: record.requestType = field.string
            case 13: record.requestContentType = field.string
            case 14: record.responseContentType = field.string
            case 15: record.status = Int(clamping: field.unsigned)
            case 16: record.success = field.bool
            case 17: record.cached = field.bool
            case 18: record.step = Int(clamping: field.unsigned)
            case 19: record.duration = .microseconds(field.signed)
            case 20: record.firstByte = .microseconds(field.signed)
            case 21: record.cost = PicoUSD(picoDollars: field.signed)
            case 22: record.customCost = field.bool
            case 23: record.metadata = field.string
            case 24: record.requestSize = Int(clamping: field.unsigned)
            case 25: record.responseSize = Int(clamping: field.unsigned)
            case 26: record.requestBody = field.buffer
            case 27: record.responseBody = field.buffer
            case 28: record.requestBodyComplete = !field.bool
            case 29: record.responseBodyComplete = !field.bool
            case 30: record.streamed = field.bool
            case 31: record.authenticated = field.bool
            case 32: record.token = TokenID(field.string)
            case 33: record.keyAlias = KeyAlias(field.string)
            case 34: record.userAgent = field.string
            case 35: record.errorCode = field.int
            case 36: record.feedback = field.int
            case 40: record.usage = Usage(decoding: field.nested)
            default: break
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
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

extension Usage {
    func encode(into out: inout TaggedWriter) {
        out.write(1, input)
        out.write(2, cached)
        out.write(3, cacheWrite5m)
        out.write(4, cacheWrite1h)
        out.write(5, cacheWrite12h)
        out.write(6, output)
        out.write(7, reasoning)
        out.write(8, inputAudio)
        out.write(9, outputAudio)
        out.write(10, cachedAudio)
        out.write(11, inputImage)
        out.write(12, outputImage)
        out.write(13, cachedImage)
        out.write(14, inputVideo)
        out.write(15, outputVideo)
        out.write(16, citation)
        out.write(17, webSearches)
        out.write(18, characters)
        out.write(19, milliseconds)
        out.write(20, images)
        out.write(21, pages)
        out.write(22, requests)
        out.write(23, searchUnits)
        out.write(40, signed: upstreamCost?.picoDollars)
        out.write(41, serviceTier)
        out.write(42, inferenceGeo)
        out.write(43, speed)
    }

    init(decoding reader: TaggedReader) {
        self.init()
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: input = field.int
            case 2: cached = field.int
            case 3: cacheWrite5m = field.int
            case 4: cacheWrite1h = field.int
            case 5: cacheWrite12h = field.int
            case 6: output = field.int
            case 7: reasoning = field.int
            case 8: inputAudio = field.int
            case 9: outputAudio = field.int
            case 10: cachedAudio = field.int
            case 11: inputImage = field.int
            case 12: outputImage = field.int
            case 13: cachedImage = field.int
            case 14: inputVideo = field.int
            case 15: outputVideo = field.int
            case 16: citation = field.int
            case 17: webSearches = field.int
            case 18: characters = field.int
            case 19: milliseconds = field.int
            case 20: images = field.int
            case 21: pages = field.int
            case 22: requests = field.int
            case 23: searchUnits = field.int
            case 40: upstreamCost = PicoUSD(picoDollars: field.signed)
            case 41: serviceTier = field.string
            case 42: inferenceGeo = field.string
            case 43: speed = field.string
            default: break
            }
        }
    }
}
