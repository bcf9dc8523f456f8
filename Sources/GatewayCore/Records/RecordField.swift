/// The members of an encoded record by their numbers, which are never reused.
@usableFromInline
package enum RecordField: UInt16 {
    case idHigh = 1
    case idLow = 2
    case eventID = 3
    case account = 4
    case gateway = 5
    case createdAt = 6
    case provider = 7
    case model = 8
    case modelType = 9
    case path = 10
    case method = 11
    case requestType = 12
    case requestContentType = 13
    case responseContentType = 14
    case status = 15
    case success = 16
    case cached = 17
    case step = 18
    case duration = 19
    case firstByte = 20
    case cost = 21
    case customCost = 22
    case metadata = 23
    case requestSize = 24
    case responseSize = 25
    case requestBody = 26
    case responseBody = 27
    case requestBodyIsCut = 28
    case responseBodyIsCut = 29
    case streamed = 30
    case authenticated = 31
    case token = 32
    case keyAlias = 33
    case userAgent = 34
    case errorCode = 35
    case feedback = 36
    case droppedMembers = 37
    case traceID = 38
    case parentSpanID = 39
    case usage = 40
    case unlogged = 41
    case retried = 42
}

/// The members of an encoded record's usage by their numbers, which are never reused.
@usableFromInline
package enum UsageField: UInt16 {
    case input = 1
    case cached = 2
    case cacheWrite5m = 3
    case cacheWrite1h = 4
    case cacheWrite12h = 5
    case output = 6
    case reasoning = 7
    case inputAudio = 8
    case outputAudio = 9
    case cachedAudio = 10
    case inputImage = 11
    case outputImage = 12
    case cachedImage = 13
    case inputVideo = 14
    case outputVideo = 15
    case citation = 16
    case webSearches = 17
    case characters = 18
    case milliseconds = 19
    case images = 20
    case pages = 21
    case requests = 22
    case searchUnits = 23
    case upstreamCost = 40
    case serviceTier = 41
    case inferenceGeo = 42
    case speed = 43
}
