import GatewayCore
import Policy
import Providers
import Testing

private func provider(_ slug: String) -> ProviderDefinition { ProviderRegistry.builtIn.provider(segment: slug)! }

/// Rows as LiteLLM's file writes them.
private let file = #"""
    {
      "sample_spec": {"litellm_provider": "one of …", "input_cost_per_token": 0.0},
      "gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000,
        "max_output_tokens": 16384, "input_cost_per_token": 2.5e-07, "output_cost_per_token": 1e-06,
        "cache_read_input_token_cost": 1.25e-07, "input_cost_per_token_batches": 1.25e-07,
        "output_cost_per_token_batches": 5e-07, "input_cost_per_token_priority": 4.25e-07,
        "search_context_cost_per_query": {"search_context_size_low": 0.025, "search_context_size_high": 0.03}},
      "gemini/gemini-9": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": "1.25e-06",
        "output_cost_per_token": 1.0000000000000001e-05, "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05, "output_cost_per_reasoning_token": 2e-05,
        "deprecation_date": "2027-01-31"},
      "claude-haiku-5-5": {"litellm_provider": "anthropic", "input_cost_per_token": 1e-06,
        "cache_creation_input_token_cost": 1.25e-06, "cache_creation_input_token_cost_above_1hr": 2e-06},
      "azure/gpt-of-azure": {"litellm_provider": "azure", "input_cost_per_token": 1e-06},
      "azure/eu/gpt-of-azure": {"litellm_provider": "azure", "input_cost_per_token": 1.1e-06},
      "vertex_ai/gemini-9": {"litellm_provider": "vertex_ai-language-models", "input_cost_per_token": 1e-06},
      "cohere/command-z": {"litellm_provider": "cohere_chat", "input_cost_per_token": 1e-06},
      "fireworks_ai/accounts/fireworks/models/x": {"litellm_provider": "fireworks_ai", "input_cost_per_token": 9e-07},
      "openrouter/openai/gpt-x": {"litellm_provider": "openrouter", "input_cost_per_token": 0.0},
      "text-davinci-9": {"litellm_provider": "text-completion-openai", "mode": "completion",
        "input_cost_per_token": 2e-06},
      "cloudflare/@cf/meta/new": {"litellm_provider": "cloudflare", "input_cost_per_token": 1.923e-06},
      "eu.acme.model-v1:0": {"litellm_provider": "bedrock_converse", "input_cost_per_token": 1e-06},
      "us.acme.model-v1:0": {"litellm_provider": "bedrock_converse", "input_cost_per_token": 1e-06},
      "acme.other-v1:0": {"litellm_provider": "bedrock", "input_cost_per_token": 3e-06},
      "eu.acme.other-v1:0": {"litellm_provider": "bedrock", "input_cost_per_token": 9e-06},
      "bedrock/us-gov-west-1/acme.other-v1:0": {"litellm_provider": "bedrock", "input_cost_per_token": 8e-06},
      "1024-x-1024/dall-e-2": {"litellm_provider": "openai", "input_cost_per_pixel": 1.9e-08},
      "dall-e-9": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_image": 0.04},
      "whisper-9": {"litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001},
      "voice-9": {"litellm_provider": "elevenlabs", "mode": "audio_speech", "input_cost_per_character": 0.00004},
      "together/x": {"litellm_provider": "together_ai", "input_cost_per_token": 1e-06},
      "wrong-unit": {"litellm_provider": "openai", "input_cost_per_token": 0.1}
    }
    """#

@Suite struct LiteLLMPricesTests {
    let builtIn: PriceCatalog
    let imported: LiteLLMPrices
    let list: PriceCatalog

    init() throws {
        builtIn = try PriceCatalog()
        imported = try LiteLLMPrices(Array(file.utf8), builtIn: builtIn)
        list = try PriceCatalog(bytes: Array(imported.text(retrieved: "2026-11-23").utf8))
    }

    private func row(_ slug: String, _ model: String) -> PriceRow? {
        list.row(for: provider(slug), model: model, patterns: PricePatterns())
    }

    @Test(
        "prices per token become prices per million, to the last digit",
        arguments: [
            ("openai", "gpt-4o-mini", PriceUnit.input, "0.25"), ("openai", "gpt-4o-mini", .output, "1"),
            ("openai", "gpt-4o-mini", .cached, "0.125"), ("google-ai-studio", "gemini-9", .input, "1.25"),
            ("google-ai-studio", "gemini-9", .output, "10"), ("google-ai-studio", "gemini-9", .reasoning, "20"),
            ("anthropic", "claude-haiku-5-5", .write, "1.25"), ("anthropic", "claude-haiku-5-5", .write1h, "2"),
            ("azure-openai", "gpt-of-azure", .input, "1"), ("google-vertex-ai", "gemini-9", .input, "1"),
            ("cohere", "command-z", .input, "1"), ("fireworks", "accounts/fireworks/models/x", .input, "0.9"),
            ("openrouter", "openai/gpt-x", .input, "0"), ("openai", "text-davinci-9", .input, "2"),
            ("workers-ai", "@cf/meta/new", .input, "1.923"), ("aws-bedrock", "acme.other-v1:0", .input, "3"),
            ("openai", "dall-e-9", .image, "0.04"), ("openai", "whisper-9", .second, "0.0001"),
            ("elevenlabs", "voice-9", .characters, "40"),
        ] as [(String, String, PriceUnit, String)])
    func rates(slug: String, model: String, unit: PriceUnit, dollars: String) throws {
        let found = try #require(row(slug, model))
        #expect(found.rates[unit] == PicoDecimal(dollars.utf8))
    }

    @Test("tiers, service tiers and searches are taken over")
    func variants() throws {
        let gemini = try #require(row("google-ai-studio", "gemini-9"))
        #expect(gemini.tiers.map(\.over) == [200_000])
        #expect(gemini.tiers.first?.rates[.input] == PicoDecimal("2.5".utf8))
        let mini = try #require(row("openai", "gpt-4o-mini"))
        guard case .replace(let batch) = mini.serviceTiers["batch"] else {
            Issue.record("no batch rates")
            return
        }
        #expect(batch[.input] == PicoDecimal("0.125".utf8) && batch[.output] == PicoDecimal("0.5".utf8))
        #expect(mini.searchBySize == ["low": PicoDecimal("25".utf8)!, "high": PicoDecimal("30".utf8)!])
    }

    @Test("what LiteLLM cannot say is kept from the built-in row, and other models keep their whole row")
    func completion() throws {
        let old = try #require(
            builtIn.row(for: provider("anthropic"), model: "claude-haiku-5-5", patterns: PricePatterns()))
        let new = try #require(row("anthropic", "claude-haiku-5-5"))
        #expect(new.capabilities == old.capabilities && old.capabilities != nil)
        #expect(new.maxOutput == old.maxOutput && new.multipliers == old.multipliers)
        #expect(row("anthropic", "claude-sonnet-4-6")?.rates[.input] == PicoDecimal("3".utf8))
        #expect(row("openai", "gpt-4o-mini")?.rates[.input] == PicoDecimal("0.25".utf8))
    }

    @Test("a model that is listed for some places only exists in those")
    func places() {
        #expect(row("aws-bedrock", "eu.acme.model-v1:0") != nil && row("aws-bedrock", "us.acme.model-v1:0") != nil)
        #expect(row("aws-bedrock", "jp.acme.model-v1:0") == nil && row("aws-bedrock", "acme.model-v1:0") == nil)
        #expect(row("aws-bedrock", "acme.other-v1:0")?.rates[.input] == PicoDecimal("3".utf8))
    }

    @Test("what has no place in a list is counted, not guessed")
    func leftOut() {
        #expect(imported.unknownProviders == ["together_ai": 1])
        #expect(imported.unpriced == 3)
        #expect(list.strangeRates == 1)
        #expect(row("openai", "wrong-unit")?.rates[.input] == nil)
    }

    @Test(
        "anything but LiteLLM's file is refused",
        arguments: [
            ("", LiteLLMPrices.Failure.notAnObject), ("[]", .notAnObject), ("{", .notAnObject), ("{}", .noModels),
            (#"{"schema":1,"models":[]}"#, .noModels), (#"{"sample_spec":{"litellm_provider":"openai"}}"#, .noModels),
            (#"{"a":{"litellm_provider":7}}"#, .noModels),
        ])
    func refusals(text: String, failure: LiteLLMPrices.Failure) {
        #expect(throws: failure) { try LiteLLMPrices(Array(text.utf8), builtIn: builtIn) }
    }
}
