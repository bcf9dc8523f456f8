-- What requests came to, minute by minute, without what tells models and keys apart: a day of it is read at once, however
-- many of these there are.

-- Who stores requests waits here, before it counts them without the totals.
LOCK TABLE logs, log_refusals IN SHARE ROW EXCLUSIVE MODE;

-- One row per minute, gateway and whether a request succeeded and was answered by the cache.
CREATE TABLE usage_minute_totals (
    account_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    cached boolean NOT NULL,
    success boolean NOT NULL,
    requests bigint NOT NULL,
    metered bigint NOT NULL,
    priced bigint NOT NULL,
    answered bigint NOT NULL,
    tokens_in numeric NOT NULL,
    tokens_out numeric NOT NULL,
    tokens_cached numeric NOT NULL,
    tokens_reasoning numeric NOT NULL,
    cost numeric NOT NULL,
    request_bytes numeric NOT NULL,
    response_bytes numeric NOT NULL,
    duration_us numeric NOT NULL,
    first_byte_us numeric NOT NULL,
    PRIMARY KEY (account_id, bucket, gateway_id, cached, success)
) WITH (fillfactor = 70);
CREATE INDEX usage_minute_totals_bucket ON usage_minute_totals USING brin (bucket);

-- What one statement stored, added to the totals. `settled` is the trigger's transition table.
--
-- Times outside of the years 1970 to 9998 count at that border, as in the other roll-ups. Rows are written in the order of
-- their keys, so that two nodes wait for each other instead of deadlocking.
CREATE FUNCTION roll_up_totals() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    INSERT INTO usage_minute_totals AS u
    SELECT account_id, date_trunc('minute', least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z'), 'UTC') AS bucket,
        gateway_id, cached, success, count(*),
        count(*) FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL), count(cost), count(first_byte_us),
        coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(tokens_cached), 0),
        coalesce(sum(tokens_reasoning), 0), coalesce(sum(cost), 0), sum(request_size), sum(response_size),
        sum(duration_us), coalesce(sum(first_byte_us), 0)
    FROM settled GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (account_id, bucket, gateway_id, cached, success)
    DO UPDATE SET requests = u.requests + excluded.requests, metered = u.metered + excluded.metered,
        priced = u.priced + excluded.priced, answered = u.answered + excluded.answered,
        tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
        tokens_cached = u.tokens_cached + excluded.tokens_cached,
        tokens_reasoning = u.tokens_reasoning + excluded.tokens_reasoning, cost = u.cost + excluded.cost,
        request_bytes = u.request_bytes + excluded.request_bytes,
        response_bytes = u.response_bytes + excluded.response_bytes,
        duration_us = u.duration_us + excluded.duration_us, first_byte_us = u.first_byte_us + excluded.first_byte_us;
    RETURN NULL;
END
$$;
CREATE TRIGGER roll_up_totals AFTER INSERT ON logs REFERENCING NEW TABLE AS settled
    FOR EACH STATEMENT EXECUTE FUNCTION roll_up_totals();

-- What was counted before.
INSERT INTO usage_minute_totals
SELECT account_id, bucket, gateway_id, cached, success, sum(requests), sum(metered), sum(priced), sum(answered),
    sum(tokens_in), sum(tokens_out), sum(tokens_cached), sum(tokens_reasoning), sum(cost), sum(request_bytes),
    sum(response_bytes), sum(duration_us), sum(first_byte_us)
FROM usage_minutes GROUP BY 1, 2, 3, 4, 5;

CREATE OR REPLACE FUNCTION prune_usage() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pruned bigint := 0;
    more bigint;
BEGIN
    DELETE FROM usage_minutes WHERE bucket < now() - interval '62 days';
    GET DIAGNOSTICS more = ROW_COUNT;
    pruned := pruned + more;
    DELETE FROM usage_minute_totals WHERE bucket < now() - interval '62 days';
    GET DIAGNOSTICS more = ROW_COUNT;
    pruned := pruned + more;
    -- Only rows of these days can still come: a spool does not wait longer.
    DELETE FROM usage_metadata_values WHERE day < (now() - interval '62 days')::date;
    GET DIAGNOSTICS more = ROW_COUNT;
    pruned := pruned + more;
    DELETE FROM usage_metadata_keys WHERE day < (now() - interval '62 days')::date;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN pruned + more;
END
$$;

CREATE VIEW usage.totals_by_minute AS
SELECT u.bucket AS minute, u.account_id, u.gateway_id, u.cached, u.success, u.requests,
    CASE WHEN u.priced > 0 THEN u.cost END AS cost, u.requests - u.priced AS unpriced_requests,
    CASE WHEN u.metered > 0 THEN u.tokens_in END AS tokens_in,
    CASE WHEN u.metered > 0 THEN u.tokens_out END AS tokens_out,
    CASE WHEN u.metered > 0 THEN u.tokens_cached END AS tokens_cached,
    CASE WHEN u.metered > 0 THEN u.tokens_reasoning END AS tokens_reasoning,
    u.requests - u.metered AS unmetered_requests, u.request_bytes, u.response_bytes,
    u.duration_us / 1000 AS duration_ms, CASE WHEN u.answered > 0 THEN u.first_byte_us / 1000 END AS first_byte_ms,
    u.answered AS answered_requests
FROM public.usage_minute_totals u;
SELECT grant_usage_reader();
