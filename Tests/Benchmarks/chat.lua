-- A chat completion request of 600 bytes, as a stream when BENCH_STREAM is set, with a gateway token when BENCH_TOKEN is.
local stream = os.getenv("BENCH_STREAM") and '"stream":true,' or ''
local start = '{"model":"gpt-4o-mini",' .. stream .. '"temperature":0.2,"messages":[{"role":"user","content":"'
local finish = '"}]}'

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-0123456789abcdef0123456789abcdef"
wrk.headers["User-Agent"] = "bench/1"
local token = os.getenv("BENCH_TOKEN")
if token then
    wrk.headers["cf-aig-authorization"] = "Bearer " .. token
end
wrk.body = start .. string.rep("x", 600 - #start - #finish) .. finish
