-- A chat completion request of 600 bytes: a stream when BENCH_STREAM is set, with a gateway token when BENCH_TOKEN is,
-- and never the same twice when BENCH_SEED is. BENCH_MODEL names another model. With BENCH_PAUSE each connection waits for
-- so many milliseconds before a request, on average.
local stream = os.getenv("BENCH_STREAM") and '"stream":true,' or ''
local seed = os.getenv("BENCH_SEED")
local mark = seed and seed .. "000000000000" or ""
local model = os.getenv("BENCH_MODEL") or "gpt-4o-mini"
local start = '{"model":"' .. model .. '",' .. stream .. '"temperature":0.2,"messages":[{"role":"user","content":"' .. mark
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

if seed then
    local before, after
    local count = 0

    function init()
        local text = wrk.format()
        local first, last = text:find(mark, 1, true)
        before, after = text:sub(1, first - 1) .. seed, text:sub(last + 1)
    end

    function request()
        count = count + 1
        return before .. string.format("%012d", count) .. after
    end
end

local pause = tonumber(os.getenv("BENCH_PAUSE") or "0")
if pause > 0 then
    local owed = 0

    function delay()
        owed = owed + pause
        local whole = math.floor(owed)
        owed = owed - whole
        return whole
    end
end
