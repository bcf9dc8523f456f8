"""Cloudflare's SDK against the management API: a gateway, a stored key, a call through it, its log entry.

    pip install cloudflare openai
    python3 cloudflare_sdk.py [credentials.json] [name of the gateway to make and delete]
"""

import json
import sys
import time

from cloudflare import Cloudflare
from openai import OpenAI

access = json.load(open(sys.argv[1] if len(sys.argv) > 1 else "var/credentials.json"))
name = sys.argv[2] if len(sys.argv) > 2 else "example"
account = access["account_id"]
cloudflare = Cloudflare(api_token=access["api_token"], base_url=f"{access['control_url']}/client/v4")

gateway = cloudflare.ai_gateway.create(
    account_id=account, id=name, authentication=True, collect_logs=True,
    cache_invalidate_on_update=False, cache_ttl=0, rate_limiting_interval=0, rate_limiting_limit=0,
)
print("gateway:", gateway.id)
try:
    # What the gateway stores is sealed and never shown again: only a preview comes back.
    key = cloudflare.post(
        f"/accounts/{account}/ai-gateway/gateways/{name}/provider_configs",
        cast_to=object,
        body={"provider_slug": "openai", "alias": "default", "default_config": True, "secret": "sk-example-0123456789"},
    )
    print("stored key:", key["result"]["secret_preview"])

    # A change is live when every worker serves it, a fraction of a second later.
    openai = OpenAI(base_url=f"{access['data_url']}/v1/{account}/{name}/compat", api_key=access["api_token"])
    openai.chat.completions.create(model="sandbox/tokens-20", messages=[{"role": "user", "content": "Count"}])

    # Entries are in the database moments after the answer.
    deadline = time.monotonic() + 10
    while not (entries := list(cloudflare.ai_gateway.logs.list(name, account_id=account))):
        if time.monotonic() > deadline:
            sys.exit("the log entry did not appear")
        time.sleep(0.1)
    print("log entry:", entries[0].provider, entries[0].model, entries[0].tokens_out, "tokens, $", entries[0].cost)
finally:
    cloudflare.ai_gateway.delete(name, account_id=account)
    print("deleted:", name)
