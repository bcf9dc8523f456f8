"""OpenAI's SDK on the OpenAI-compatible endpoint: the same calls, whichever provider answers in whichever format."""

import asyncio
import json

import openai
import pytest
from pydantic import BaseModel

from harness.compat import WEATHER
from harness.dialects import DIALECTS, TOKENS_IN, TOKENS_OUT

MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
WORDS = ["Hello ", "from ", "afar, caf\u00e9 \U0001f600."]
CALLS = [("abcdef001", "weather", {"city": "Berlin"}), ("abcdef002", "weather", {"city": "R\u00f6m"})]
# What the only call of a test has to say of itself in the log.
COUNTED = {"tokens_in": TOKENS_IN, "tokens_out": TOKENS_OUT, "success": True, "status_code": 200}
# Bills requests by their kind and not by tokens; whatever it says of tokens is not its price.
COUNTS_NO_TOKENS = {"parallel/speed"}

pytestmark = pytest.mark.parametrize("model", DIALECTS)


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def client(daemon, gateway):
    # Looks like a key of Google's, because only such a key needs no project on Vertex.
    return openai.OpenAI(api_key="AIzaSyClient", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


@pytest.fixture
def counted(daemon, gateway, model):
    """Looks whether the only entry of the gateway says what a call took."""
    def check():
        entry = daemon.api.entries(gateway, 1)[0]
        unknown = {"tokens_in": None, "tokens_out": None} if model in COUNTS_NO_TOKENS else {}
        assert {name: entry[name] for name in COUNTED} == {**COUNTED, **unknown}
    return check


def told(calls):
    return [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls]


def test_a_whole_answer(client, provider, counted, model):
    provider.reply(DIALECTS[model].text(WORDS))
    completion = client.chat.completions.create(model=model, messages=MESSAGES)
    [choice] = completion.choices
    assert (completion.object, choice.message.role, choice.message.content, choice.finish_reason) == (
        "chat.completion", "assistant", "".join(WORDS), "stop")
    assert not choice.message.tool_calls
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        TOKENS_IN, TOKENS_OUT, TOKENS_IN + TOKENS_OUT)
    counted()


@pytest.mark.parametrize("usage", [False, True], ids=["usage not asked", "usage asked"])
def test_a_streamed_answer(client, provider, counted, model, usage):
    provider.reply(DIALECTS[model].streamed_text(WORDS))
    more = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **more))
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant" and len({chunk.id for chunk in chunks}) == 1
    assert "".join(choice.delta.content or "" for choice in choices) == "".join(WORDS)
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    totals = [(chunk.usage.prompt_tokens, chunk.usage.completion_tokens) for chunk in chunks if chunk.usage]
    assert totals == ([(TOKENS_IN, TOKENS_OUT)] if usage else [])
    assert usage or all(chunk.choices for chunk in chunks)
    counted()


def test_parallel_calls_and_their_results(client, provider, model):
    dialect = DIALECTS[model]
    provider.reply(dialect.calls(*CALLS), dialect.text(WORDS))
    choice = client.chat.completions.create(model=model, messages=MESSAGES, tools=WEATHER).choices[0]
    assert choice.finish_reason == "tool_calls" and told(choice.message.tool_calls) == CALLS
    results = [{"role": "tool", "tool_call_id": id, "content": f"{place['city']}: mild"} for id, _, place in CALLS]
    second = client.chat.completions.create(
        model=model, messages=[*MESSAGES, choice.message, *results], tools=WEATHER)
    assert second.choices[0].message.content == "".join(WORDS)
    # Every provider is told what was called and what came of it, in its own way.
    sent = json.dumps(provider.requests[1].json, ensure_ascii=False)
    assert all(f"{place['city']}: mild" in sent for _, _, place in CALLS)
    assert sent.index("Berlin: mild") < sent.index("R\u00f6m: mild")


def test_streamed_parallel_calls(client, provider, counted, model):
    provider.reply(DIALECTS[model].streamed_calls(*CALLS))
    with client.chat.completions.stream(model=model, messages=MESSAGES, tools=WEATHER) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert told(final.choices[0].message.tool_calls) == CALLS and final.choices[0].finish_reason == "tool_calls"
    # Mistral says why it stopped in the event with the calls; the SDK then tells the end of all but the last.
    told_at_their_end = CALLS[:-1] if model.startswith("mistral/") else CALLS
    assert [json.loads(event.arguments) for event in done] == [place for _, _, place in told_at_their_end]
    counted()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_structured_output(client, provider, model, streamed):
    dialect, words = DIALECTS[model], ['{"name": "R\u00f6m", ', '"people": 3}']
    provider.reply(dialect.streamed_text(words) if streamed else dialect.text(words))
    ask = {"model": model, "messages": MESSAGES, "response_format": City}
    if streamed:
        with client.chat.completions.stream(**ask) as stream:
            completion = stream.get_final_completion()
    else:
        completion = client.chat.completions.parse(**ask)
    assert completion.choices[0].message.parsed == City(name="R\u00f6m", people=3)
    # The schema that the SDK made of the class has reached the provider.
    assert '"people"' in json.dumps(provider.only().json).replace('\\"', '"')


@pytest.mark.parametrize("status, error", [
    (401, openai.AuthenticationError), (404, openai.NotFoundError), (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError), (503, openai.InternalServerError)])
def test_errors(client, provider, daemon, gateway, model, status, error):
    provider.reply(DIALECTS[model].error(status, "no such luck"))
    with pytest.raises(error, match="no such luck") as caught:
        client.chat.completions.create(model=model, messages=MESSAGES, stream=status == 429)
    assert caught.value.status_code == status and caught.value.body["message"] == "no such luck"
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["status_code"], entry["success"]) == (status, False)


def test_the_async_client(daemon, gateway, provider, model):
    dialect = DIALECTS[model]
    provider.reply(dialect.text(WORDS), dialect.streamed_text(WORDS))

    async def talk():
        async with openai.AsyncOpenAI(api_key="AIzaSyClient", base_url=f"{daemon.base(gateway)}/compat",
                                      max_retries=0) as client:
            whole = await client.chat.completions.create(model=model, messages=MESSAGES)
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            return whole.choices[0].message.content, [
                chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]

    whole, pieces = asyncio.run(talk())
    assert whole == "".join(pieces) == "".join(WORDS)
