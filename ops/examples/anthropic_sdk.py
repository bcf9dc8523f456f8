"""Anthropic's SDK through the gateway. The built-in provider speaks OpenAI's format only, so this needs a key.

    pip install anthropic
    ANTHROPIC_API_KEY=sk-ant-… python3 anthropic_sdk.py [credentials.json] [gateway]
"""

import json
import os
import sys

from anthropic import Anthropic

access = json.load(open(sys.argv[1] if len(sys.argv) > 1 else "var/credentials.json"))
gateway = sys.argv[2] if len(sys.argv) > 2 else "default"

# Anthropic's key passes through; the gateway's token goes beside it and stays here. When the key is stored in the
# gateway, give the token as `api_key` and leave the header out.
client = Anthropic(
    base_url=f"{access['data_url']}/v1/{access['account_id']}/{gateway}/anthropic",
    api_key=os.environ["ANTHROPIC_API_KEY"],
    default_headers={"cf-aig-authorization": f"Bearer {access['api_token']}"},
)

with client.messages.stream(
    model=os.environ.get("ANTHROPIC_MODEL", "claude-sonnet-4-6"),
    max_tokens=64,
    messages=[{"role": "user", "content": "Say hello."}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
    print()
    print("tokens:", stream.get_final_message().usage.output_tokens)
