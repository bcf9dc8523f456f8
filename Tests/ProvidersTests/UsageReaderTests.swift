import GatewayCore
import Providers
import Testing

/// Feeds an answer in pieces of `size` bytes and returns the finished reader.
private func read(
    _ slug: String, _ path: String, _ text: String, _ kind: StreamKind = .whole, size: Int = .max
) -> UsageReader {
    let format = ProviderRegistry.builtIn.provider(segment: slug)!.usageFormat(path: path)
    let reader = UsageReader(format: format, streamed: kind)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let piece = rest.prefix(size)
        piece.withUnsafeBytes { reader.feed($0) }
        rest = rest.dropFirst(piece.count)
    }
    reader.finish()
    return reader
}

private func events(_ lines: String...) -> String { lines.map { $0 + "\n\n" }.joined() }

private let chat = "/v1/chat/completions"

@Suite struct UsageReaderTests {
    @Test(
        "OpenAI chat reports details as subsets, and the model, in one piece or many", arguments: [1, 3, 100, 100_000])
    func openAIChat(size: Int) {
        let reader = read(
            "openai", chat,
            """
            {"id":"c","model":"gpt-4o-2024-08-06","choices":[{"message":{"content":"\\"usage\\":{\\"prompt_tokens\\":9}"}}],
            "usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500,
            "prompt_tokens_details":{"cached_tokens":200,"cache_write_tokens":100,"audio_tokens":30},
            "completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":5}},"service_tier":"flex"}
            """, size: size)
        #expect(reader.model == "gpt-4o-2024-08-06")
        let usage = reader.usage
        #expect(usage.input == 1000 && usage.output == 500 && usage.cached == 200 && usage.cacheWrite5m == 100)
        #expect(usage.reasoning == 40 && usage.inputAudio == 30 && usage.outputAudio == 5)
        #expect(usage.serviceTier == "flex")
        #expect(usage.cacheWrite1h == nil && usage.images == nil && usage.upstreamCost == nil)
    }

    @Test(
        "an answer that comes as one JSON document is known to be one, and nothing else is",
        arguments: [
            ([#"{"model":"m"}"#], true), (["  \n", "{}\n"], true), ([#"{"model":"m"}"#, ""], true),
            ([#"{"model":"m"}"#, " "], false), ([#"{"model":"#, #""m"}"#], false), ([#"{"model":"m",}"#], false),
            (["{} {}"], false), (["[{}]"], false), ([""], false),
        ] as [([String], Bool)])
    func document(pieces: [String], isOne: Bool) {
        let format = ProviderRegistry.builtIn.provider(segment: "openai")!.usageFormat(path: chat)
        let reader = UsageReader(format: format, streamed: .whole)
        for piece in pieces { Array(piece.utf8).withUnsafeBytes { reader.feed($0) } }
        #expect(reader.sawDocument == isOne)
    }

    @Test("a stream without usage leaves every count unknown, and [DONE] or a finish reason ends it")
    func openAIStreamWithoutUsage() {
        let stream = events(
            #"data: {"model":"gpt-4o","choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}"#,
            #"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#, "data: [DONE]")
        let reader = read("openai", chat, stream, .sse)
        #expect(reader.usage.isEmpty)
        #expect(reader.model == "gpt-4o")
        #expect(reader.sawTerminal)
        #expect(!reader.sawErrorEvent)
    }

    @Test("a stream that breaks off before its end is not terminal")
    func openAIStreamCut() {
        let reader = read(
            "openai", chat,
            events(
                #"data: {"model":"m","choices":[{"delta":{"content":"\"finish_reason\":\"stop\""},"finish_reason":null}]}"#
            ),
            .sse)
        #expect(!reader.sawTerminal)
        #expect(!reader.sawErrorEvent)
    }

    @Test(
        "the usage chunk of a stream is read, wherever the stream is cut into pieces",
        arguments: [1, 2, 3, 7, 64, 1000])
    func openAIStreamCuts(size: Int) {
        let stream = events(
            ": keep-alive", #"data: {"model":"gpt-4o","choices":[{"delta":{"content":"usage"}}]}"#,
            #"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}"#,
            "data: [DONE]")
        let reader = read("openai", chat, stream, .sse, size: size)
        #expect(reader.usage.input == 7 && reader.usage.output == 3 && reader.usage.cached == 2)
        #expect(reader.sawTerminal)
    }

    @Test("an error event in a stream is noticed", arguments: ["openai", "groq", "openrouter"])
    func errorEvent(slug: String) {
        let reader = read(
            slug, chat, events(#"data: {"choices":[],"error":{"code":502,"message":"x"}}"#), .sse)
        #expect(reader.sawErrorEvent)
    }

    @Test("a Responses stream is read at its end only, and echoed tool schemas do not confuse it")
    func responses() {
        let stream = events(
            "event: response.created\n"
                + #"data: {"type":"response.created","response":{"model":"gpt-5","tools":[{"parameters":{"error":{"type":"object"},"usage":{"input_tokens":1}}}],"usage":null}}"#,
            "event: response.output_text.delta\n" + #"data: {"delta":"hi"}"#,
            "event: response.completed\n"
                + #"data: {"response":{"tools":[{"parameters":{"usage":{"input_tokens":1}}}],"service_tier":"priority","usage":{"input_tokens":50,"output_tokens":9,"input_tokens_details":{"cached_tokens":20,"cache_write_tokens":12,"cache_write_tokens_details":{"ttl_30m_tokens":10,"ttl_12h_tokens":2}},"output_tokens_details":{"reasoning_tokens":4}},"tool_usage":{"web_search":{"num_requests":2}}}}"#
        )
        let reader = read("openai", "/v1/responses", stream, .sse)
        let usage = reader.usage
        #expect(reader.model == "gpt-5")
        #expect(usage.input == 50 && usage.output == 9 && usage.cached == 20 && usage.reasoning == 4)
        #expect(usage.cacheWrite5m == 10 && usage.cacheWrite12h == 2 && usage.webSearches == 2)
        #expect(usage.serviceTier == "priority")
        #expect(reader.sawTerminal && !reader.sawErrorEvent)
    }

    @Test("embeddings have no output; older image models are counted by the piece")
    func embeddingsAndImages() {
        let embedding = read(
            "openai", "/v1/embeddings", #"{"data":[{}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#)
        #expect(embedding.usage.input == 8 && embedding.usage.output == nil && embedding.usage.images == nil)
        let old = read("openai", "/v1/images/generations", #"{"created":1,"data":[{"url":"a"},{"url":"b"}]}"#)
        #expect(old.usage.images == 2 && old.usage.input == nil)
        let new = read(
            "openai", "/v1/images/generations",
            #"{"data":[{"b64_json":"x"}],"usage":{"input_tokens":5,"output_tokens":100,"input_tokens_details":{"image_tokens":2},"output_tokens_details":{"image_tokens":90}}}"#
        )
        #expect(new.usage.images == nil && new.usage.inputImage == 2 && new.usage.outputImage == 90)
    }

    @Test("a transcription is billed in tokens or seconds")
    func transcription() {
        let seconds = read(
            "openai", "/v1/audio/transcriptions", #"{"text":"x","usage":{"type":"duration","seconds":12.5}}"#)
        #expect(seconds.usage.milliseconds == 12_500 && seconds.usage.input == nil)
    }

    @Test("Anthropic's three input parts are added; lifetimes of cache writes are kept apart")
    func anthropicWhole() {
        let reader = read(
            "anthropic", "/v1/messages",
            #"{"model":"claude-sonnet-4-6","usage":{"input_tokens":1000,"cache_read_input_tokens":2000,"cache_creation_input_tokens":7000,"cache_creation":{"ephemeral_5m_input_tokens":3000,"ephemeral_1h_input_tokens":4000},"output_tokens":500,"output_tokens_details":{"thinking_tokens":60},"server_tool_use":{"web_search_requests":1},"service_tier":"standard","speed":"fast","inference_geo":"us"}}"#
        )
        let usage = reader.usage
        #expect(usage.input == 10_000 && usage.cached == 2000 && usage.output == 500 && usage.reasoning == 60)
        #expect(usage.cacheWrite5m == 3000 && usage.cacheWrite1h == 4000 && usage.webSearches == 1)
        #expect(usage.serviceTier == "standard" && usage.speed == "fast" && usage.inferenceGeo == "us")
    }

    @Test("Anthropic's deltas are cumulative: they overlay the start and are never added", arguments: [1, 5, 4096])
    func anthropicStream(size: Int) {
        let stream = events(
            "event: message_start\n"
                + #"data: {"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":0,"output_tokens":1}}}"#,
            "event: ping\ndata: {\"type\":\"ping\"}",
            "event: content_block_delta\n" + #"data: {"type":"content_block_delta","delta":{"text":"message_stop"}}"#,
            "event: message_delta\n"
                + #"data: {"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":40,"input_tokens":null}}"#,
            "event: message_delta\n" + #"data: {"usage":{"output_tokens":42}}"#)
        let cut = read("anthropic", "/v1/messages", stream, .sse, size: size)
        #expect(cut.usage.input == 15 && cut.usage.cached == 5 && cut.usage.output == 42)
        #expect(cut.model == "claude-x")
        #expect(!cut.sawTerminal)
        let ended = read(
            "anthropic", "/v1/messages", stream + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", .sse)
        #expect(ended.sawTerminal)
    }

    @Test("the iterations of an Anthropic answer are summed instead of its own counts")
    func anthropicIterations() {
        let reader = read(
            "anthropic", "/v1/messages",
            #"{"usage":{"input_tokens":1,"output_tokens":1,"iterations":[{"input_tokens":10,"output_tokens":2},{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":3}]}}"#
        )
        #expect(reader.usage.input == 35 && reader.usage.output == 5 && reader.usage.cached == 5)
    }

    @Test("Gemini's thoughts are output, unless its total shows that candidates hold them")
    func gemini() {
        let apart = read(
            "google-ai-studio", "/v1beta/models/m:generateContent",
            #"{"modelVersion":"gemini-2.5-pro","usageMetadata":{"promptTokenCount":100,"toolUsePromptTokenCount":10,"cachedContentTokenCount":20,"candidatesTokenCount":30,"thoughtsTokenCount":5,"totalTokenCount":145,"promptTokensDetails":[{"modality":"TEXT","tokenCount":60},{"modality":"AUDIO","tokenCount":40}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":7}],"trafficType":"ON_DEMAND_FLEX"}}"#
        )
        #expect(apart.model == "gemini-2.5-pro")
        #expect(apart.usage.input == 110 && apart.usage.output == 35 && apart.usage.reasoning == 5)
        #expect(apart.usage.cached == 20 && apart.usage.inputAudio == 40 && apart.usage.outputImage == 7)
        #expect(apart.usage.serviceTier == "flex")
        let inside = read(
            "google-ai-studio", "/v1beta/models/m:generateContent",
            #"{"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":30,"thoughtsTokenCount":5,"totalTokenCount":130}}"#
        )
        #expect(inside.usage.output == 30 && inside.usage.reasoning == 5)
        let empty = read(
            "google-ai-studio", "/v1beta/models/m:generateContent",
            #"{"usageMetadata":{"promptTokenCount":100,"totalTokenCount":100}}"#)
        #expect(empty.usage.input == 100 && empty.usage.output == 0)
    }

    @Test("the last of Gemini's running totals counts, in events and in a streamed array", arguments: [3, 50, 100_000])
    func geminiStream(size: Int) {
        let first =
            #"{"candidates":[{"content":{"parts":[{"text":"\"usageMetadata\":{"}]}}],"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8},"modelVersion":"g"}"#
        let last =
            #"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3,"totalTokenCount":11},"modelVersion":"g"}"#
        let path = "/v1beta/models/m:streamGenerateContent"
        let stream = read("google-ai-studio", path, events("data: " + first, "data: " + last), .sse, size: size)
        #expect(stream.usage.input == 8 && stream.usage.output == 3 && stream.sawTerminal && stream.model == "g")
        let padding =
            #"{"candidates":[{"content":{"parts":[{"text":""# + String(repeating: "x", count: 70_000) + #""}]}}]}"#
        let array = read("google-ai-studio", path, "[" + first + ",\n" + padding + "\n,\n" + last + "]", size: size)
        #expect(array.usage.input == 8 && array.usage.output == 3)
    }

    @Test("Bedrock's input excludes cache reads and writes")
    func bedrock() {
        let converse = read(
            "aws-bedrock", "/model/m/converse",
            #"{"output":{},"usage":{"inputTokens":100,"outputTokens":20,"totalTokens":160,"cacheReadInputTokens":30,"cacheWriteInputTokens":10,"cacheDetails":[{"ttl":"1h","inputTokens":4}]}}"#
        )
        #expect(converse.usage.input == 140 && converse.usage.output == 20 && converse.usage.cached == 30)
        #expect(converse.usage.cacheWrite5m == 6 && converse.usage.cacheWrite1h == 4)
        let format = ProviderRegistry.builtIn.provider(segment: "bedrock")!.usageFormat(path: "/model/m/invoke")
        #expect(format.wantedHeaders.count == 4)
        let invoke = UsageReader(format: format, streamed: .other)
        invoke.note(header: "x-amzn-bedrock-input-token-count", value: "11")
        invoke.note(header: "x-amzn-bedrock-output-token-count", value: "4")
        invoke.note(header: "x-amzn-bedrock-cache-read-input-token-count", value: "5")
        invoke.note(header: "x-amzn-bedrock-cache-write-input-token-count", value: "nonsense")
        invoke.finish()
        #expect(invoke.usage.input == 16 && invoke.usage.output == 4 && invoke.usage.cacheWrite5m == nil)
    }

    @Test("Cohere's tokens go to the log, its billed units to the bill")
    func cohere() {
        let v2 = read(
            "cohere", "/v2/chat",
            #"{"usage":{"billed_units":{"input_tokens":5.0,"output_tokens":418.0},"tokens":{"input_tokens":71.0,"output_tokens":418.0},"cached_tokens":3}}"#
        )
        #expect(v2.usage.input == 71 && v2.usage.output == 418 && v2.usage.billedInput == 5 && v2.usage.cached == 3)
        let v1 = read("cohere", "/v1/rerank", #"{"results":[],"meta":{"billed_units":{"search_units":2}}}"#)
        #expect(v1.usage.searchUnits == 2 && v1.usage.input == nil)
        let stream = read(
            "cohere", "/v2/chat",
            events(
                "event: content-delta\n"
                    + #"data: {"type":"content-delta","delta":{"message":{"content":{"text":"message-end"}}}}"#,
                "event: message-end\n"
                    + #"data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3},"tokens":{"input_tokens":9,"output_tokens":2}}}}"#
            ),
            .sse)
        #expect(stream.usage.input == 9 && stream.usage.output == 2 && stream.sawTerminal)
    }

    @Test("xAI's chat counts reasoning apart; the total decides")
    func xAI() {
        let apart = read(
            "grok", chat,
            #"{"usage":{"prompt_tokens":10120,"completion_tokens":1499,"total_tokens":14428,"prompt_tokens_details":{"cached_tokens":128},"completion_tokens_details":{"reasoning_tokens":2809},"cost_in_usd_ticks":232856000}}"#
        )
        #expect(apart.usage.output == 4308 && apart.usage.reasoning == 2809)
        #expect(apart.usage.upstreamCost?.decimalString == "0.0232856")
        let inside = read(
            "grok", chat,
            #"{"usage":{"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,"completion_tokens_details":{"reasoning_tokens":20}}}"#
        )
        #expect(inside.usage.output == 30)
        let messages = read("grok", "/v1/messages", #"{"usage":{"input_tokens":3,"output_tokens":4}}"#)
        #expect(messages.usage.input == 3 && messages.usage.output == 4)
    }

    @Test("DeepSeek's cache hits are cached input")
    func deepSeek() {
        let reader = read(
            "deepseek", chat,
            "\n\n"
                + #"{"usage":{"prompt_tokens":1000,"completion_tokens":100,"prompt_cache_hit_tokens":400,"prompt_cache_miss_tokens":600}}"#
        )
        #expect(reader.usage.cached == 400 && reader.usage.input == 1000)
    }

    @Test("Perplexity's reasoning is added, its own cost taken, and the last of its running totals counts")
    func perplexity() {
        let chunk =
            #"{"model":"sonar","choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#
        let last =
            #"{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":20,"reasoning_tokens":7,"citation_tokens":3,"num_search_queries":2,"search_context_size":"low","cost":{"total_cost":0.0093}}}"#
        let reader = read("perplexity-ai", "/chat/completions", events("data: " + chunk, "data: " + last), .sse)
        let usage = reader.usage
        #expect(usage.output == 27 && usage.reasoning == 7 && usage.citation == 3 && usage.webSearches == 2)
        #expect(usage.searchContext == "low" && usage.requests == 1)
        #expect(usage.upstreamCost?.decimalString == "0.0093")
        #expect(reader.sawTerminal)
        let broken = read("perplexity-ai", "/chat/completions", events("data: " + chunk), .sse)
        #expect(!broken.sawTerminal)
    }

    @Test(
        "pictures are counted however large they are, and however they come",
        arguments: [
            ("openai", "/v1/images/generations", "data"), ("fal", "/fal-ai/x", "images"),
            ("ideogram", "/generate", "data"), ("grok", "/v1/images/generations", "data"),
        ])
    func largePictures(slug: String, path: String, member: String) throws {
        let picture = #"{"b64_json":"\#(String(repeating: "iVBOR[{", count: 100_000))","tags":[["x"],{}]}"#
        let body = Array(#"{"created":1,"\#(member)":[\#(picture), \#(picture)],"x":[{},{},{}]}"#.utf8)
        for size in [body.count, 65_536, 1000] {
            let format = ProviderRegistry.builtIn.provider(segment: slug)!.usageFormat(path: path)
            let reader = UsageReader(format: format, streamed: .whole)
            for start in stride(from: 0, to: body.count, by: size) {
                body[start..<min(start + size, body.count)].withUnsafeBytes { reader.feed($0) }
            }
            reader.finish()
            #expect(reader.usage.images == 2, "in pieces of \(size) bytes")
        }
    }

    @Test(
        "pictures that are addresses are counted too, and alike in pieces",
        arguments: [#"["https://a","https://b"]"#, #"["a[",null,1,{}]"#, "[[],[]]"])
    func addressesOfPictures(list: String) {
        let body = Array(#"{"x":["y"],"images":\#(list),"z":["y"]}"#.utf8)
        for size in 1...body.count {
            let format = ProviderRegistry.builtIn.provider(segment: "fal")!.usageFormat(path: "/fal-ai/x")
            let reader = UsageReader(format: format, streamed: .whole)
            for start in stride(from: 0, to: body.count, by: size) {
                body[start..<min(start + size, body.count)].withUnsafeBytes { reader.feed($0) }
            }
            reader.finish()
            #expect(reader.usage.images == 2, "in pieces of \(size) bytes")
        }
    }

    @Test(
        "the remaining formats are read where they report",
        arguments: [
            (
                "openrouter", "/api/v1/chat/completions",
                #"{"usage":{"prompt_tokens":1,"completion_tokens":2,"cost":0.00014}}"#, "cost 0.00014"
            ),
            (
                "groq", "/openai/v1/chat/completions",
                #"{"x_groq":{"usage":{"prompt_tokens":6,"completion_tokens":2}}}"#, "in 6"
            ),
            (
                "groq", "/openai/v1/chat/completions",
                #"{"x_groq":{"usage":{"prompt_tokens":6}},"usage":{"prompt_tokens":6}}"#, "in 6"
            ),
            ("mistral", "/v1/ocr", #"{"pages":[],"usage_info":{"pages_processed":3}}"#, "pages 3"),
            (
                "workers-ai", "/client/v4/accounts/a/ai/run/@cf/m",
                #"{"result":{"response":"x","usage":{"prompt_tokens":6}}}"#, "in 6"
            ),
            ("workers-ai", "/client/v4/accounts/a/ai/v1/chat/completions", #"{"usage":{"prompt_tokens":6}}"#, "in 6"),
            ("azure-openai", "/openai/deployments/d/chat/completions", #"{"usage":{"prompt_tokens":6}}"#, "in 6"),
            ("replicate", "/v1/predictions/x", #"{"metrics":{"input_token_count":6,"predict_time":1.25}}"#, "in 6"),
            ("replicate", "/v1/predictions/x", #"{"metrics":{"predict_time":1.25}}"#, "ms 1250"),
            ("deepgram", "/v1/listen", #"{"metadata":{"duration":30.5,"channels":2}}"#, "ms 61000"),
            ("fal", "/fal-ai/x", #"{"images":[{"url":"a"},{"url":"b"}]}"#, "images 2"),
            ("ideogram", "/generate", #"{"data":[{"url":"a"}]}"#, "images 1"),
            ("parallel", "/v1beta/search", #"{"usage":[{"name":"sku_search","count":2}]}"#, "requests 2"),
            ("parallel", "/v1beta/search", #"{"usage":[{"name":"a","count":2},{"name":"b","count":2}]}"#, "nothing"),
            (
                "huggingface", "/models/m",
                #"[{"generated_text":"x","details":{"prefill":[{},{}],"generated_tokens":6}}]"#, "in 2"
            ),
            ("sandbox", "/v1/chat/completions", #"{"usage":{"prompt_tokens":6}}"#, "in 6"),
            ("google-ai-studio", "/v1beta/openai/chat/completions", #"{"usage":{"prompt_tokens":6}}"#, "in 6"),
            (
                "google-vertex-ai", "/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict",
                #"{"usage":{"input_tokens":6}}"#, "in 6"
            ),
            ("openai", "/v1/chat/completions", #"{"error":{"message":"x"}}"#, "nothing"),
            ("openai", "/v1/chat/completions", #"{"usage":{"prompt_tokens":-4,"completion_tokens":1e300}}"#, "nothing"),
            ("openai", "/v1/chat/completions", #"{"usage":"none"}"#, "nothing"),
            ("openai", "/v1/chat/completions", "not json at all", "nothing"),
            ("openai", "/v1/chat/completions", "", "nothing"),
            ("openai", "/v1/chat/completions", #"{"usage":{"prompt_tokens":6}"#, "in 6"),
        ] as [(String, String, String, String)])
    func whole(slug: String, path: String, body: String, expected: String) {
        let usage = read(slug, path, body).usage
        var found = usage.isEmpty ? "nothing" : "something else"
        if let count = usage.requests { found = "requests \(count)" }
        if let count = usage.images { found = "images \(count)" }
        if let count = usage.milliseconds { found = "ms \(count)" }
        if let count = usage.pages { found = "pages \(count)" }
        if let count = usage.input { found = "in \(count)" }
        if let cost = usage.upstreamCost { found = "cost " + cost.decimalString }
        #expect(found == expected)
    }

    @Test(
        "what the answer does not say of speech, the request does",
        arguments: [
            (
                "elevenlabs", "/v1/text-to-speech/v", #"{"model_id":"eleven_x","text":"h\u00e9llo 👋"}"#, nil, 7,
                "eleven_x"
            ),
            ("cartesia", "/tts/bytes", #"{"model_id":"sonic-9","transcript":"abc"}"#, nil, 3, "sonic-9"),
            ("deepgram", "/v1/speak", #"{"text":"abcd"}"#, "encoding=mp3&model=aura%2D2", 4, "aura-2"),
            ("openai", "/v1/audio/speech", #"{"model":"tts-1","input":"abcde"}"#, nil, 5, nil),
            ("openai", chat, #"{"input":"abcde"}"#, "model=x", nil, nil),
            ("elevenlabs", "/v1/text-to-speech/v", "not json", nil, 30, nil),
        ] as [(slug: String, path: String, body: String, query: String?, characters: Int?, model: String?)],
        [true, false])
    func speech(
        call: (slug: String, path: String, body: String, query: String?, characters: Int?, model: String?),
        isHeadFirst: Bool
    ) {
        let (slug, path, body, query, characters, model) = call
        let format = ProviderRegistry.builtIn.provider(segment: slug)!.usageFormat(path: path)
        let reader = UsageReader(format: format, streamed: .other)
        // Credits, which are not characters for every model: only as good as nothing else.
        func noteHeaders() { for name in format.wantedHeaders { reader.note(header: name.description, value: "30") } }
        if isHeadFirst { noteHeaders() }
        Array(body.utf8).withUnsafeBytes { reader.note(request: $0, query: query) }
        if !isHeadFirst { noteHeaders() }
        reader.finish()
        #expect(reader.usage.characters == characters)
        #expect(reader.model == model)
    }

    @Test(
        "the model of a transcription is a field of its form, and nothing else in it",
        arguments: [
            ("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n", "whisper-1"),
            (
                "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\nname=\"model\"\r\n\r\nx"
                    + "\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n",
                "whisper-1"
            ),
            ("--b\r\nContent-Disposition: form-data; filename=\"model\"\r\n\r\nx\r\n--b--\r\n", nil),
            ("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper", nil), ("--b", nil), ("--", nil),
            (#"{"model":"m"}"#, "m"), ("", nil),
        ] as [(String, String?)])
    func transcriptionModel(body: String, model: String?) {
        let format = ProviderRegistry.builtIn.provider(segment: "openai")!.usageFormat(path: "/v1/audio/transcriptions")
        let reader = UsageReader(format: format, streamed: .whole)
        Array(#"{"text":"x","duration":30.5,"usage":{"type":"duration","seconds":31}}"#.utf8)
            .withUnsafeBytes { reader.feed($0) }
        Array(body.utf8).withUnsafeBytes { reader.note(request: $0, query: nil) }
        reader.finish()
        #expect(reader.model == model && reader.usage.milliseconds == 31_000)
    }

    @Test("transcriptions of Deepgram have their model in the query")
    func modelInQuery() {
        let format = ProviderRegistry.builtIn.provider(segment: "deepgram")!.usageFormat(path: "/v1/listen")
        let reader = UsageReader(format: format, streamed: .whole)
        Array(#"{"metadata":{"duration":60,"channels":1}}"#.utf8).withUnsafeBytes { reader.feed($0) }
        reader.note(request: nil, query: "punctuate=true&model=nova-3&model=base")
        reader.finish()
        #expect(reader.model == "nova-3" && reader.usage.milliseconds == 60_000)
    }

    @Test(
        "events of pictures, transcripts and speech end their streams and carry their usage, named or not",
        arguments: [
            ("/v1/images/generations", "image_generation.completed", true),
            ("/v1/images/edits", "image_edit.completed", true),
            ("/v1/images/generations", "image_generation.partial_image", false),
            ("/v1/audio/transcriptions", "transcript.text.done", true),
            ("/v1/audio/transcriptions", "transcript.text.delta", false),
            ("/v1/audio/speech", "speech.audio.done", true), ("/v1/responses", "response.completed", true),
        ], [true, false])
    func namedEvents(event: (path: String, name: String, isEnd: Bool), isNamed: Bool) {
        let usage =
            #"{"input_tokens":14,"output_tokens":45,"total_tokens":59,"input_token_details":{"audio_tokens":4}}"#
        let data =
            event.name.hasPrefix("response.")
            ? #"{"type":"\#(event.name)","response":{"tools":[{"parameters":{"properties":{"usage":{"type":"object"}}}}],"usage":\#(usage)}}"#
            : #"{"type":"\#(event.name)","b64_json":"finish_reason","usage":\#(usage)}"#
        let frame = (isNamed ? "event: \(event.name)\n" : "") + "data: " + data
        let reader = read("openai", event.path, events(frame), .sse)
        #expect(reader.usage.input == 14 && reader.usage.output == 45 && reader.usage.inputAudio == 4)
        #expect(reader.sawTerminal == event.isEnd)
        #expect(!reader.sawErrorEvent)
    }

    @Test(
        "what is billed by the piece is counted",
        arguments: [
            ("cohere", "/v2/embed", #"{"meta":{"billed_units":{"images":3}}}"#, "images in 3"),
            ("cohere", "/v1/classify", #"{"meta":{"billed_units":{"classifications":4}}}"#, "requests 4"),
            ("fal", "/fal-ai/kling", #"{"video":{"url":"u","duration":5.5}}"#, "ms 5500"),
            (
                "google-vertex-ai", "/v1/projects/p/locations/l/publishers/google/models/m:predict",
                #"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":6}}},{"embeddings":{"statistics":{"token_count":5}}}]}"#,
                "in 11"
            ),
            (
                "google-ai-studio", "/v1beta/models/imagen:predict",
                #"{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"AA"},{"mimeType":"image/png"}]}"#,
                "images 2"
            ),
            (
                "google-ai-studio", "/v1beta/models/m:embedContent",
                #"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#, "in 3"
            ),
        ])
    func pieces(slug: String, path: String, body: String, expected: String) {
        let usage = read(slug, path, body).usage
        var found = "nothing"
        if let count = usage.imagesIn { found = "images in \(count)" }
        if let count = usage.images { found = "images \(count)" }
        if let count = usage.requests { found = "requests \(count)" }
        if let count = usage.milliseconds { found = "ms \(count)" }
        if let count = usage.input { found = "in \(count)" }
        #expect(found == expected)
    }

    @Test("an event of a stream that does not matter costs next to nothing to pass")
    func streamOfManyEvents() {
        let event =
            #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}],"usage":null}"#
            + "\n\n"
        let reader = read(
            "openai", chat, String(repeating: event, count: 5000) + "data: [DONE]\n\n", .sse, size: 16_384)
        #expect(reader.usage.isEmpty && reader.sawTerminal)
    }
}
