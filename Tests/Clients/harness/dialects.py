"""The same conversation in each provider's format, for tests that hold for all of them.

A dialect makes scripts: a whole answer, a streamed one, calls of functions whole and streamed, and an error.
"""

import json

from . import bedrock, cohere, gemini
from .provider import (anthropic_events, anthropic_message, chat_chunks, chat_completion, json_reply, sse_reply)

# What every scripted call costs.
TOKENS_IN, TOKENS_OUT = 30, 9


class OpenAIShaped:
    """Providers whose format is OpenAI's, but for details."""

    def text(self, words):
        return json_reply(chat_completion("".join(words), TOKENS_IN, TOKENS_OUT, "m", service_tier="default"))

    def streamed_text(self, words):
        return sse_reply(chat_chunks(words, "m", (TOKENS_IN, TOKENS_OUT)))

    def calls(self, *calls):
        value = chat_completion(None, TOKENS_IN, TOKENS_OUT, "m")
        value["choices"][0]["message"]["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for id, name, arguments in calls]
        value["choices"][0]["finish_reason"] = "tool_calls"
        return json_reply(value)

    def streamed_calls(self, *calls):
        start, end, total, done = chat_chunks([], "m", (TOKENS_IN, TOKENS_OUT))
        events = [start]
        for index, (id, name, arguments) in enumerate(calls):
            pieces = [{"id": id, "type": "function", "function": {"name": name, "arguments": ""}}]
            pieces += [{"function": {"arguments": piece}} for piece in halves(json.dumps(arguments))]
            events += [{**start, "choices": [{"index": 0, "delta": {"tool_calls": [{"index": index, **piece}]},
                                              "finish_reason": None}]} for piece in pieces]
        end["choices"][0]["finish_reason"] = "tool_calls"
        return sse_reply([*events, end, total, done])

    def error(self, status, message):
        return json_reply({"error": {"message": message, "type": "t", "param": None, "code": None}}, status)


class Mistral(OpenAIShaped):
    def streamed_calls(self, *calls):
        """Mistral's calls come whole, all in one event."""
        start, end, total, done = chat_chunks([], "m", (TOKENS_IN, TOKENS_OUT))
        end["choices"][0].update(finish_reason="tool_calls", delta={"tool_calls": [
            {"index": index, "id": id, "function": {"name": name, "arguments": json.dumps(arguments)}}
            for index, (id, name, arguments) in enumerate(calls)]})
        end["usage"] = total["usage"]
        return sse_reply([start, end, done])


class Anthropic:
    def text(self, words):
        return json_reply(anthropic_message("".join(words), TOKENS_IN, TOKENS_OUT))

    def streamed_text(self, words):
        return sse_reply(anthropic_events(words, TOKENS_IN, TOKENS_OUT))

    def calls(self, *calls):
        return json_reply(anthropic_message(None, TOKENS_IN, TOKENS_OUT, stop_reason="tool_use", content=[
            {"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in calls]))

    def streamed_calls(self, *calls):
        start, *_, end, stop = anthropic_events([], TOKENS_IN, TOKENS_OUT)
        events = [start]
        for index, (id, name, arguments) in enumerate(calls):
            events.append({"type": "content_block_start", "index": index, "content_block": {
                "type": "tool_use", "id": id, "name": name, "input": {}}})
            events += [{"type": "content_block_delta", "index": index, "delta": {
                "type": "input_json_delta", "partial_json": piece}} for piece in halves(json.dumps(arguments))]
            events.append({"type": "content_block_stop", "index": index})
        end[1]["delta"]["stop_reason"] = "tool_use"
        named = [event if isinstance(event, tuple) else (event["type"], event) for event in events]
        return sse_reply([*named, end, stop])

    def error(self, status, message):
        return json_reply({"type": "error", "error": {"type": "t", "message": message}}, status)


class Gemini:
    def text(self, words):
        return json_reply(gemini.gemini_answer("".join(words), TOKENS_IN, TOKENS_OUT))

    def streamed_text(self, words):
        return sse_reply(gemini.gemini_events(words, TOKENS_IN, TOKENS_OUT))

    def calls(self, *calls):
        return json_reply(gemini.gemini_answer(None, TOKENS_IN, TOKENS_OUT, parts=[
            gemini.call(name, arguments, id) for id, name, arguments in calls]))

    def streamed_calls(self, *calls):
        """Gemini's calls come whole, each in an event."""
        events = [gemini.gemini_answer(None, TOKENS_IN, 1, parts=[gemini.call(name, arguments, id)], finish=None)
                  for id, name, arguments in calls]
        return sse_reply([*events, gemini.gemini_answer("", TOKENS_IN, TOKENS_OUT)])

    def error(self, status, message):
        return json_reply(gemini.gemini_error(status, "X", message), status)


class Cohere:
    USAGE = {"billed_units": {"input_tokens": TOKENS_IN, "output_tokens": TOKENS_OUT},
             "tokens": {"input_tokens": TOKENS_IN, "output_tokens": TOKENS_OUT}}

    def text(self, words):
        return json_reply(cohere.chat("".join(words), usage=self.USAGE))

    def streamed_text(self, words):
        return sse_reply([*cohere.events(words)[:-1], cohere.end(usage=self.USAGE)])

    def calls(self, *calls):
        return json_reply(cohere.chat(None, "TOOL_CALL", self.USAGE, tool_calls=[
            cohere.call(id, name, json.dumps(arguments)) for id, name, arguments in calls]))

    def streamed_calls(self, *calls):
        told = cohere.streamed_calls(*((id, name, halves(json.dumps(arguments))) for id, name, arguments in calls))
        return sse_reply([*told[:-1], cohere.end("TOOL_CALL", self.USAGE)])

    def error(self, status, message):
        return json_reply({"message": message}, status)


class Bedrock:
    def text(self, words):
        return json_reply(bedrock.converse_answer("".join(words), tokens_in=TOKENS_IN, tokens_out=TOKENS_OUT))

    def streamed_text(self, words):
        return bedrock.frames_reply(bedrock.converse_events(words, tokens_in=TOKENS_IN, tokens_out=TOKENS_OUT))

    def calls(self, *calls):
        return json_reply(bedrock.converse_answer([
            {"toolUse": {"toolUseId": id, "name": name, "input": arguments}} for id, name, arguments in calls],
            "tool_use", TOKENS_IN, TOKENS_OUT))

    def streamed_calls(self, *calls):
        start, *_, stop, total = bedrock.converse_events([], "tool_use", TOKENS_IN, TOKENS_OUT)
        frames = [start]
        for index, (id, name, arguments) in enumerate(calls):
            frames.append(bedrock.event("contentBlockStart", {
                "contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}}))
            frames += [bedrock.event("contentBlockDelta", {
                "contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}})
                for piece in halves(json.dumps(arguments))]
            frames.append(bedrock.event("contentBlockStop", {"contentBlockIndex": index}))
        return bedrock.frames_reply([*frames, stop, total])

    def error(self, status, message):
        return json_reply({"message": message}, status, [("x-amzn-ErrorType", "SomeException")])


def halves(text):
    return [text[:len(text) // 2], text[len(text) // 2:]]


# A model of each provider that the OpenAI-compatible endpoint serves, as its clients name it.
DIALECTS = {
    **{model: OpenAIShaped() for model in [
        "openai/gpt-4o-mini", "azure-openai/res/dep", "workers-ai/@cf/meta/llama-3.1-8b-instruct",
        "groq/llama-3.3-70b-versatile", "grok/grok-4", "deepseek/deepseek-chat",
        "cerebras/llama-3.3-70b", "perplexity/sonar", "openrouter/openai/gpt-5-mini", "baseten/openai/gpt-oss-120b",
        "parallel/speed", "fireworks/accounts/fireworks/models/m"]},
    "mistral/mistral-large-latest": Mistral(),
    "anthropic/claude-sonnet-4-5": Anthropic(),
    "google-ai-studio/gemini-3.8-flash": Gemini(),
    "google-vertex-ai/google/gemini-3.8-flash": Gemini(),
    "cohere/command-a-03-2025": Cohere(),
    "aws-bedrock/amazon.nova-lite-v1:0": Bedrock(),
}
