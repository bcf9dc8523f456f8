"""OpenAI's SDK through the gateway, against the built-in provider: needs no key and no network.

    pip install openai
    python3 openai_sdk.py [credentials.json] [gateway]
"""

import json
import sys

from openai import OpenAI

access = json.load(open(sys.argv[1] if len(sys.argv) > 1 else "var/credentials.json"))
gateway = sys.argv[2] if len(sys.argv) > 2 else "default"
question = [{"role": "user", "content": "Hello, gateway"}]

# The OpenAI-compatible endpoint: the prefix of `model` says which provider is meant. The gateway's token stands where
# OpenAI's key would stand; with a real provider its key is one that the gateway has stored.
client = OpenAI(
    base_url=f"{access['data_url']}/v1/{access['account_id']}/{gateway}/compat",
    api_key=access["api_token"],
    default_headers={"cf-aig-metadata": json.dumps({"team": "examples"})},
)

answer = client.chat.completions.with_raw_response.create(model="sandbox/echo", messages=question)
completion = answer.parse()
print("answer:", completion.choices[0].message.content)
print("tokens:", completion.usage.total_tokens)
print("log id:", answer.headers["cf-aig-log-id"])

print("stream:", end=" ")
for chunk in client.chat.completions.create(model="sandbox/echo", messages=question, stream=True):
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

# A provider's own path. With `openai` instead of `sandbox`, `api_key` is your OpenAI key, which passes through, and the
# gateway's token goes beside it.
native = OpenAI(
    base_url=f"{access['data_url']}/v1/{access['account_id']}/{gateway}/sandbox",
    api_key="your provider's key",
    default_headers={"cf-aig-authorization": f"Bearer {access['api_token']}"},
)
print("native:", native.chat.completions.create(model="echo", messages=question).choices[0].message.content)
