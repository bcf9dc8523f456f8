import GatewayCore
import WireFormats

/// The counting members of an OpenAI usage object, Chat and Responses names alike, found in one walk over it.
struct OpenAICounters {
    private var prompt: JSONView?
    private var input: JSONView?
    private var completion: JSONView?
    private var output: JSONView?
    private var cacheHits: JSONView?
    private var seconds: JSONView?
    private var audioSeconds: JSONView?
    private var promptDetails: JSONView?
    private var inputDetails: JSONView?
    private var inputDetail: JSONView?
    private var completionDetails: JSONView?
    private var outputDetails: JSONView?
    private var outputDetail: JSONView?

    init(_ usage: JSONView) {
        usage.forEachRawMember { key, value in take(key, value) }
    }

    private mutating func take(_ key: UnsafeRawBufferPointer, _ value: JSONView) {
        if key.isText("prompt_tokens") {
            value.keep(&prompt)
        } else if key.isText("completion_tokens") {
            value.keep(&completion)
        } else if key.isText("prompt_tokens_details") {
            value.keep(&promptDetails)
        } else if key.isText("completion_tokens_details") {
            value.keep(&completionDetails)
        } else if key.isText("input_tokens") {
            value.keep(&input)
        } else if key.isText("output_tokens") {
            value.keep(&output)
        } else if key.isText("input_tokens_details") {
            value.keep(&inputDetails)
        } else if key.isText("output_tokens_details") {
            value.keep(&outputDetails)
        } else if key.isText("input_token_details") {
            value.keep(&inputDetail)
        } else if key.isText("output_token_details") {
            value.keep(&outputDetail)
        } else if key.isText("prompt_cache_hit_tokens") {
            value.keep(&cacheHits)
        } else if key.isText("seconds") {
            value.keep(&seconds)
        } else if key.isText("prompt_audio_seconds") {
            value.keep(&audioSeconds)
        }
    }

    /// Puts what the object said into `usage`; what it left out stays.
    func read(into usage: inout Usage) {
        Usage.take(prompt?.count ?? input?.count, &usage.input)
        Usage.take(completion?.count ?? output?.count, &usage.output)
        Usage.take(cacheHits?.count, &usage.cached)
        Usage.take(seconds?.milliseconds ?? audioSeconds?.milliseconds, &usage.milliseconds)
        if let details = promptDetails ?? inputDetails ?? inputDetail { InputDetails(details).read(into: &usage) }
        if let details = completionDetails ?? outputDetails ?? outputDetail {
            OutputDetails(details).read(into: &usage)
        }
    }

    /// What the prompt consisted of.
    private struct InputDetails {
        private var cached: JSONView?
        private var cacheReads: JSONView?
        private var audio: JSONView?
        private var image: JSONView?
        private var video: JSONView?
        private var written: JSONView?
        private var writtenSplit: JSONView?
        private var cachedSplit: JSONView?

        init(_ details: JSONView) {
            details.forEachRawMember { key, value in
                if key.isText("cached_tokens") {
                    value.keep(&cached)
                } else if key.isText("audio_tokens") {
                    value.keep(&audio)
                } else if key.isText("image_tokens") {
                    value.keep(&image)
                } else if key.isText("video_tokens") {
                    value.keep(&video)
                } else if key.isText("cache_read_input_tokens") {
                    value.keep(&cacheReads)
                } else if key.isText("cache_write_tokens") {
                    value.keep(&written)
                } else if key.isText("cache_write_tokens_details") {
                    value.keep(&writtenSplit)
                } else if key.isText("cached_tokens_details") {
                    value.keep(&cachedSplit)
                }
            }
        }

        func read(into usage: inout Usage) {
            Usage.take(cached?.count ?? cacheReads?.count, &usage.cached)
            Usage.take(audio?.count, &usage.inputAudio)
            Usage.take(image?.count, &usage.inputImage)
            Usage.take(video?.count, &usage.inputVideo)
            if let short = writtenSplit?.count("ttl_30m_tokens"), let long = writtenSplit?.count("ttl_12h_tokens") {
                usage.cacheWrite5m = short
                usage.cacheWrite12h = long
            } else {
                Usage.take(written?.count, &usage.cacheWrite5m)
            }
            if let cachedSplit {
                Usage.take(cachedSplit.count("audio_tokens"), &usage.cachedAudio)
                Usage.take(cachedSplit.count("image_tokens"), &usage.cachedImage)
            }
        }
    }

    /// What the generated tokens consisted of.
    private struct OutputDetails {
        private var reasoning: JSONView?
        private var audio: JSONView?
        private var image: JSONView?

        init(_ details: JSONView) {
            details.forEachRawMember { key, value in
                if key.isText("reasoning_tokens") {
                    value.keep(&reasoning)
                } else if key.isText("audio_tokens") {
                    value.keep(&audio)
                } else if key.isText("image_tokens") {
                    value.keep(&image)
                }
            }
        }

        func read(into usage: inout Usage) {
            Usage.take(reasoning?.count, &usage.reasoning)
            Usage.take(audio?.count, &usage.outputAudio)
            Usage.take(image?.count, &usage.outputImage)
        }
    }
}
