#!/bin/sh
# What a request may ask of a gateway, against the built-in provider: cache, timeout, retries, fallback.
#   sh rules.sh [credentials.json] [gateway]
set -eu

credentials=${1:-var/credentials.json}
gateway=${2:-default}
value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$credentials" "$1"; }
base=$(value data_url)/v1/$(value account_id)/$gateway
# In a file, because other users can read a command line.
token=$(mktemp)
trap 'rm -f "$token" "$token.head"' EXIT
printf 'cf-aig-authorization: Bearer %s\n' "$(value api_token)" >"$token"

# Asks, and shows status, headers of the gateway, and the answer.
ask() {
  path=$1 body=$2
  shift 2
  answer=$(curl -sS -D "$token.head" -H @"$token" -H 'content-type: application/json' "$@" "$base$path" -d "$body")
  sed -n 's/^HTTP[^ ]* \([0-9]*\).*/status: \1/p; /^cf-aig-\(cache-status\|step\):/p' "$token.head" | tr -d '\r'
  printf '%s\n' "$answer" | cut -c 1-240
}
chat() { printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]}' "$1" "$2"; }

echo "== the first of two equal requests asks the provider"
key="example-$$-$(date +%s)"
ask /compat/chat/completions "$(chat sandbox/echo 'Is this new?')" -H "cf-aig-cache-key: $key"

echo "== the second one is answered by the cache"
ask /compat/chat/completions "$(chat sandbox/echo 'Is this new?')" -H "cf-aig-cache-key: $key"

echo "== a provider that takes too long"
ask /compat/chat/completions "$(chat sandbox/slow-5000 'Anybody there?')" -H 'cf-aig-request-timeout: 200'

echo "== three tries, 100 and 200 ms apart, and the provider's own error in the end"
ask /compat/chat/completions "$(chat sandbox/status-503 'Once more?')" \
  -H 'cf-aig-max-attempts: 3' -H 'cf-aig-retry-delay: 100' -H 'cf-aig-backoff: exponential'

echo "== a second step, because the first one failed"
ask '' "[
  {\"provider\": \"sandbox\", \"endpoint\": \"v1/chat/completions\", \"query\": $(chat status-500 'Plan A')},
  {\"provider\": \"compat\", \"endpoint\": \"chat/completions\", \"query\": $(chat sandbox/echo 'Plan B')}
]"
