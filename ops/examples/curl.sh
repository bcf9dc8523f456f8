#!/bin/sh
# The gateway from a shell, against the built-in provider: needs no key and no network.
#   sh curl.sh [credentials.json] [gateway]
set -eu

credentials=${1:-var/credentials.json}
gateway=${2:-default}
value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$credentials" "$1"; }
base=$(value data_url)/v1/$(value account_id)/$gateway
api=$(value control_url)/client/v4/accounts/$(value account_id)/ai-gateway/gateways/$gateway
# In a file, because other users can read a command line.
token=$(mktemp)
trap 'rm -f "$token" "$token.head"' EXIT
printf 'cf-aig-authorization: Bearer %s\nauthorization: Bearer %s\n' "$(value api_token)" "$(value api_token)" >"$token"

echo "== a chat completion"
curl -sS --fail-with-body -D "$token.head" -H @"$token" -H 'content-type: application/json' \
  -H 'cf-aig-metadata: {"team":"examples"}' "$base/compat/chat/completions" \
  -d '{"model":"sandbox/echo","messages":[{"role":"user","content":"Hello, gateway"}]}'
echo

echo "== a stream, on the provider's own path"
curl -sSN --fail-with-body -H @"$token" -H 'content-type: application/json' "$base/sandbox/v1/chat/completions" \
  -d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"One two three"}]}'

echo "== what a refusal looks like"
curl -sS -H @"$token" -H 'content-type: application/json' "$base/compat/chat/completions" \
  -d '{"model":"nobody/nothing","messages":[]}'
echo

echo "== the log entry of the first call"
id=$(sed -n 's/^cf-aig-log-id: *\([0-9A-Z]*\).*/\1/p' "$token.head")
curl -sS --fail-with-body -H @"$token" "$api/logs/$id"
echo
