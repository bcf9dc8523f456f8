-- Roll-ups of settled requests, kept in the transaction that stores them, and the views that reports read.
--
-- A statement-level trigger on `logs` adds what one statement stored: a batch that is repeated stores nothing and
-- counts nothing, and rows that are deleted later stay counted. Buckets are cut in UTC.

-- One row per minute and combination of what can be grouped by. Empty text: unknown.
CREATE TABLE usage_minutes (
    account_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    key_alias text COLLATE "C" NOT NULL,
    status_code integer NOT NULL,
    cached boolean NOT NULL,
    success boolean NOT NULL,
    -- Refused by a rate limit of the gateway.
    rate_limited boolean NOT NULL,
    requests bigint NOT NULL,
    -- Of these, requests whose tokens, cost and first byte are known; sums say nothing of the others.
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
    PRIMARY KEY (
        account_id, bucket, gateway_id, provider, model, key_alias, status_code, cached, success, rate_limited
    )
) WITH (fillfactor = 70);
CREATE TABLE usage_hours (LIKE usage_minutes INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE usage_days (LIKE usage_minutes INCLUDING ALL) WITH (fillfactor = 70);
CREATE INDEX usage_minutes_bucket ON usage_minutes USING brin (bucket);

-- How long requests took: `class` c holds those of 2^(c/8) to 2^((c+1)/8) microseconds.
CREATE TABLE usage_durations (
    account_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    cached boolean NOT NULL,
    class smallint NOT NULL,
    requests bigint NOT NULL,
    PRIMARY KEY (account_id, bucket, gateway_id, provider, model, cached, class)
) WITH (fillfactor = 70);

-- One row per hour, and one per day, of a metadata entry.
CREATE TABLE usage_metadata (
    account_id text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- As text; cut after 128 characters. Null: one of the many after the thousandth of its key and day.
    value text COLLATE "C",
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    requests bigint NOT NULL,
    errors bigint NOT NULL,
    cached bigint NOT NULL,
    metered bigint NOT NULL,
    priced bigint NOT NULL,
    tokens_in numeric NOT NULL,
    tokens_out numeric NOT NULL,
    cost numeric NOT NULL
) WITH (fillfactor = 70);
-- With a digest in it, because long keys and values together exceed what an index entry holds.
CREATE UNIQUE INDEX usage_metadata_identity ON usage_metadata (
    account_id, bucket, gateway_id, md5(key || ':' || coalesce('=' || value, '')), provider, model
);
CREATE TABLE usage_metadata_days (LIKE usage_metadata INCLUDING ALL) WITH (fillfactor = 70);

-- Which values of a metadata key are counted apart on a day; no more than a thousand, so that ids do not fill a table.
CREATE TABLE usage_metadata_values (
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    key text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    -- In the order in which they came.
    number integer NOT NULL
);
CREATE UNIQUE INDEX usage_metadata_values_identity
    ON usage_metadata_values (account_id, gateway_id, day, md5(key || ':=' || value));
CREATE INDEX usage_metadata_values_day ON usage_metadata_values (day);

-- What one statement stored, added to the roll-ups. `settled` is the trigger's transition table.
--
-- Times outside of the years 1970 to 9998 count at that border, since dates cannot be cut there.
-- Rows are written in the order of their keys, so that two nodes wait for each other instead of deadlocking.
-- Its plans are kept while the tables grow from nothing, so they must not rest on how small the tables were.
CREATE FUNCTION roll_up_usage() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    value_limit CONSTANT integer := 1000;
BEGIN
    WITH minutes AS MATERIALIZED (
        SELECT account_id, date_trunc('minute', least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z'),
            'UTC') AS bucket, gateway_id, left(provider, 128) AS provider,
            left(model, 256) AS model, left(coalesce(key_alias, ''), 128) AS key_alias, status_code, cached, success,
            coalesce(error_code, 0) = 2003 AS rate_limited, count(*) AS requests,
            count(*) FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL) AS metered, count(cost) AS priced,
            count(first_byte_us) AS answered, coalesce(sum(tokens_in), 0) AS tokens_in,
            coalesce(sum(tokens_out), 0) AS tokens_out, coalesce(sum(tokens_cached), 0) AS tokens_cached,
            coalesce(sum(tokens_reasoning), 0) AS tokens_reasoning, coalesce(sum(cost), 0) AS cost,
            sum(request_size) AS request_bytes, sum(response_size) AS response_bytes, sum(duration_us) AS duration_us,
            coalesce(sum(first_byte_us), 0) AS first_byte_us
        FROM settled GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ), into_minutes AS (
        INSERT INTO usage_minutes AS u SELECT * FROM minutes ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ON CONFLICT (account_id, bucket, gateway_id, provider, model, key_alias, status_code, cached, success,
            rate_limited)
        DO UPDATE SET requests = u.requests + excluded.requests, metered = u.metered + excluded.metered,
            priced = u.priced + excluded.priced, answered = u.answered + excluded.answered,
            tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
            tokens_cached = u.tokens_cached + excluded.tokens_cached,
            tokens_reasoning = u.tokens_reasoning + excluded.tokens_reasoning, cost = u.cost + excluded.cost,
            request_bytes = u.request_bytes + excluded.request_bytes,
            response_bytes = u.response_bytes + excluded.response_bytes,
            duration_us = u.duration_us + excluded.duration_us,
                first_byte_us = u.first_byte_us + excluded.first_byte_us
    ), hours AS MATERIALIZED (
        SELECT account_id, date_trunc('hour', bucket, 'UTC') AS bucket, gateway_id, provider, model, key_alias,
            status_code,
            cached, success, rate_limited, sum(requests)::bigint AS requests, sum(metered)::bigint AS metered,
            sum(priced)::bigint AS priced, sum(answered)::bigint AS answered, sum(tokens_in) AS tokens_in,
            sum(tokens_out) AS tokens_out, sum(tokens_cached) AS tokens_cached,
            sum(tokens_reasoning) AS tokens_reasoning, sum(cost) AS cost, sum(request_bytes) AS request_bytes,
            sum(response_bytes) AS response_bytes, sum(duration_us) AS duration_us,
                sum(first_byte_us) AS first_byte_us
        FROM minutes GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ), into_hours AS (
        INSERT INTO usage_hours AS u SELECT * FROM hours ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ON CONFLICT (account_id, bucket, gateway_id, provider, model, key_alias, status_code, cached, success,
            rate_limited)
        DO UPDATE SET requests = u.requests + excluded.requests, metered = u.metered + excluded.metered,
            priced = u.priced + excluded.priced, answered = u.answered + excluded.answered,
            tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
            tokens_cached = u.tokens_cached + excluded.tokens_cached,
            tokens_reasoning = u.tokens_reasoning + excluded.tokens_reasoning, cost = u.cost + excluded.cost,
            request_bytes = u.request_bytes + excluded.request_bytes,
            response_bytes = u.response_bytes + excluded.response_bytes,
            duration_us = u.duration_us + excluded.duration_us,
                first_byte_us = u.first_byte_us + excluded.first_byte_us
    )
    INSERT INTO usage_days AS u
    SELECT account_id, date_trunc('day', bucket, 'UTC') AS bucket, gateway_id, provider, model, key_alias,
        status_code,
        cached, success, rate_limited, sum(requests), sum(metered), sum(priced), sum(answered), sum(tokens_in),
        sum(tokens_out), sum(tokens_cached), sum(tokens_reasoning), sum(cost), sum(request_bytes),
            sum(response_bytes),
        sum(duration_us), sum(first_byte_us)
    FROM hours GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ON CONFLICT (account_id, bucket, gateway_id, provider, model, key_alias, status_code, cached, success,
        rate_limited)
    DO UPDATE SET requests = u.requests + excluded.requests, metered = u.metered + excluded.metered,
        priced = u.priced + excluded.priced, answered = u.answered + excluded.answered,
        tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
        tokens_cached = u.tokens_cached + excluded.tokens_cached,
        tokens_reasoning = u.tokens_reasoning + excluded.tokens_reasoning, cost = u.cost + excluded.cost,
        request_bytes = u.request_bytes + excluded.request_bytes,
        response_bytes = u.response_bytes + excluded.response_bytes,
        duration_us = u.duration_us + excluded.duration_us, first_byte_us = u.first_byte_us + excluded.first_byte_us;

    INSERT INTO usage_durations AS u
    SELECT account_id, date_trunc('hour', least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z'),
        'UTC') AS bucket, gateway_id, left(provider, 128) AS provider,
        left(model, 256) AS model, cached,
        floor(8 * ln(greatest(duration_us, 1)::double precision) / ln(2::double precision))::smallint AS class,
        count(*) AS requests
    FROM settled GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (account_id, bucket, gateway_id, provider, model, cached, class)
    DO UPDATE SET requests = u.requests + excluded.requests;

    IF NOT EXISTS (SELECT FROM settled WHERE jsonb_typeof(metadata) = 'object' AND metadata <> '{}') THEN
        RETURN NULL;
    END IF;
    -- Many requests share their metadata, which is taken apart once for all of them.
    WITH entries AS (
        SELECT DISTINCT m.account_id, m.gateway_id, m.day, left(e.key, 128) AS key, left(e.value, 128) AS value
        FROM (
            SELECT DISTINCT account_id, gateway_id,
                (least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z') AT TIME ZONE 'UTC')::date AS day, metadata
            FROM settled
        ) m CROSS JOIN LATERAL jsonb_each_text(
            CASE WHEN jsonb_typeof(m.metadata) = 'object' THEN m.metadata END) e
        WHERE e.value IS NOT NULL
    ), unseen AS (
        SELECT e.*, row_number() OVER (PARTITION BY account_id, gateway_id, day, key ORDER BY value) AS place
        FROM entries e
        WHERE NOT EXISTS (
            SELECT FROM usage_metadata_values v
            WHERE v.account_id = e.account_id AND v.gateway_id = e.gateway_id AND v.day = e.day
                AND md5(v.key || ':=' || v.value) = md5(e.key || ':=' || e.value)
        )
    ), seen AS (
        SELECT account_id, gateway_id, day, key, (
            SELECT count(*) FROM usage_metadata_values v
            WHERE v.account_id = k.account_id AND v.gateway_id = k.gateway_id AND v.day = k.day AND v.key = k.key
        ) AS number
        FROM (SELECT DISTINCT account_id, gateway_id, day, key FROM unseen) k
    )
    INSERT INTO usage_metadata_values
    SELECT account_id, gateway_id, day, key, value, seen.number + place
    FROM unseen JOIN seen USING (account_id, gateway_id, day, key)
    WHERE seen.number + place <= value_limit
    ORDER BY account_id, gateway_id, day, key, value
    ON CONFLICT DO NOTHING;

    WITH shared AS (
        SELECT account_id, date_trunc('hour', least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z'), 'UTC') AS bucket,
            gateway_id, left(provider, 128) AS provider, left(model, 256) AS model, metadata, count(*) AS requests,
            count(*) FILTER (WHERE NOT success) AS errors, count(*) FILTER (WHERE cached) AS cached,
            count(*) FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL) AS metered, count(cost) AS priced,
            coalesce(sum(tokens_in), 0) AS tokens_in, coalesce(sum(tokens_out), 0) AS tokens_out,
            coalesce(sum(cost), 0) AS cost
        FROM settled WHERE metadata IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
    ), entries AS MATERIALIZED (
        SELECT s.account_id, s.bucket, s.gateway_id, left(e.key, 128) AS key, v.value, s.provider, s.model,
            sum(s.requests)::bigint AS requests, sum(s.errors)::bigint AS errors, sum(s.cached)::bigint AS cached,
            sum(s.metered)::bigint AS metered, sum(s.priced)::bigint AS priced, sum(s.tokens_in) AS tokens_in,
            sum(s.tokens_out) AS tokens_out, sum(s.cost) AS cost
        FROM shared s CROSS JOIN LATERAL jsonb_each_text(
            CASE WHEN jsonb_typeof(s.metadata) = 'object' THEN s.metadata END) e
            LEFT JOIN usage_metadata_values v ON v.account_id = s.account_id AND v.gateway_id = s.gateway_id
                AND v.day = (s.bucket AT TIME ZONE 'UTC')::date
                AND md5(v.key || ':=' || v.value) = md5(left(e.key, 128) || ':=' || left(e.value, 128))
        WHERE e.value IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), into_hours AS (
        INSERT INTO usage_metadata AS u SELECT * FROM entries ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (account_id, bucket, gateway_id, md5(key || ':' || coalesce('=' || value, '')), provider, model)
        DO UPDATE SET requests = u.requests + excluded.requests, errors = u.errors + excluded.errors,
            cached = u.cached + excluded.cached, metered = u.metered + excluded.metered,
                priced = u.priced + excluded.priced,
            tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
            cost = u.cost + excluded.cost
    )
    INSERT INTO usage_metadata_days AS u
    SELECT account_id, date_trunc('day', bucket, 'UTC') AS bucket, gateway_id, key, value, provider, model,
        sum(requests),
        sum(errors), sum(cached), sum(metered), sum(priced), sum(tokens_in), sum(tokens_out), sum(cost)
    FROM entries GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (account_id, bucket, gateway_id, md5(key || ':' || coalesce('=' || value, '')), provider, model)
    DO UPDATE SET requests = u.requests + excluded.requests, errors = u.errors + excluded.errors,
        cached = u.cached + excluded.cached, metered = u.metered + excluded.metered,
            priced = u.priced + excluded.priced,
        tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
        cost = u.cost + excluded.cost;
    RETURN NULL;
END
$$;

CREATE TRIGGER roll_up AFTER INSERT ON logs REFERENCING NEW TABLE AS settled
    FOR EACH STATEMENT EXECUTE FUNCTION roll_up_usage();

-- What was stored before goes the same way, once.
CREATE TEMPORARY TABLE stored_before (LIKE logs) ON COMMIT DROP;
CREATE TRIGGER roll_up AFTER INSERT ON stored_before REFERENCING NEW TABLE AS settled
    FOR EACH STATEMENT EXECUTE FUNCTION roll_up_usage();
INSERT INTO stored_before SELECT * FROM logs;
DROP TABLE stored_before;

-- What is asked for is no older than 62 days by the minute; hours and days stay. Returns the rows that went.
CREATE FUNCTION prune_usage() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pruned bigint;
    more bigint;
BEGIN
    DELETE FROM usage_minutes WHERE bucket < now() - interval '62 days';
    GET DIAGNOSTICS pruned = ROW_COUNT;
    -- Only rows of these days can still come: a spool does not wait longer.
    DELETE FROM usage_metadata_values WHERE day < (now() - interval '62 days')::date;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN pruned + more;
END
$$;

-- The views are what may be relied on; the tables behind them may change.
CREATE SCHEMA usage;
COMMENT ON SCHEMA usage IS 'Reports: requests, tokens, money and time, without anything that was said';

CREATE VIEW usage.by_minute AS
SELECT u.bucket AS minute, u.account_id, u.gateway_id, nullif(u.provider, '') AS provider, nullif(u.model,
    '') AS model,
    nullif(u.key_alias, '') AS key_alias, u.status_code, u.status_code / 100 || 'xx' AS status_class, u.cached,
        u.success,
    u.rate_limited, u.requests, CASE WHEN u.priced > 0 THEN u.cost END AS cost,
        u.requests - u.priced AS unpriced_requests,
    CASE WHEN u.metered > 0 THEN u.tokens_in END AS tokens_in,
        CASE WHEN u.metered > 0 THEN u.tokens_out END AS tokens_out,
    CASE WHEN u.metered > 0 THEN u.tokens_cached END AS tokens_cached,
    CASE WHEN u.metered > 0 THEN u.tokens_reasoning END AS tokens_reasoning,
    u.requests - u.metered AS unmetered_requests, u.request_bytes, u.response_bytes,
    u.duration_us / 1000 AS duration_ms, CASE WHEN u.answered > 0 THEN u.first_byte_us / 1000 END AS first_byte_ms,
    u.answered AS answered_requests
FROM public.usage_minutes u;

CREATE VIEW usage.by_hour AS
SELECT u.bucket AS hour, u.account_id, u.gateway_id, nullif(u.provider, '') AS provider, nullif(u.model, '') AS model,
    nullif(u.key_alias, '') AS key_alias, u.status_code, u.status_code / 100 || 'xx' AS status_class, u.cached,
        u.success,
    u.rate_limited, u.requests, CASE WHEN u.priced > 0 THEN u.cost END AS cost,
        u.requests - u.priced AS unpriced_requests,
    CASE WHEN u.metered > 0 THEN u.tokens_in END AS tokens_in,
        CASE WHEN u.metered > 0 THEN u.tokens_out END AS tokens_out,
    CASE WHEN u.metered > 0 THEN u.tokens_cached END AS tokens_cached,
    CASE WHEN u.metered > 0 THEN u.tokens_reasoning END AS tokens_reasoning,
    u.requests - u.metered AS unmetered_requests, u.request_bytes, u.response_bytes,
    u.duration_us / 1000 AS duration_ms, CASE WHEN u.answered > 0 THEN u.first_byte_us / 1000 END AS first_byte_ms,
    u.answered AS answered_requests
FROM public.usage_hours u;

CREATE VIEW usage.by_day AS
SELECT (u.bucket AT TIME ZONE 'UTC')::date AS day, u.account_id, u.gateway_id, nullif(u.provider, '') AS provider,
    nullif(u.model, '') AS model,
    nullif(u.key_alias, '') AS key_alias, u.status_code, u.status_code / 100 || 'xx' AS status_class, u.cached,
        u.success,
    u.rate_limited, u.requests, CASE WHEN u.priced > 0 THEN u.cost END AS cost,
        u.requests - u.priced AS unpriced_requests,
    CASE WHEN u.metered > 0 THEN u.tokens_in END AS tokens_in,
        CASE WHEN u.metered > 0 THEN u.tokens_out END AS tokens_out,
    CASE WHEN u.metered > 0 THEN u.tokens_cached END AS tokens_cached,
    CASE WHEN u.metered > 0 THEN u.tokens_reasoning END AS tokens_reasoning,
    u.requests - u.metered AS unmetered_requests, u.request_bytes, u.response_bytes,
    u.duration_us / 1000 AS duration_ms, CASE WHEN u.answered > 0 THEN u.first_byte_us / 1000 END AS first_byte_ms,
    u.answered AS answered_requests
FROM public.usage_days u;

-- A null value stands for the many after the thousandth of a key and day.
CREATE VIEW usage.metadata_by_hour AS
SELECT u.bucket AS hour, u.account_id, u.gateway_id, u.key, u.value, nullif(u.provider, '') AS provider,
    nullif(u.model, '') AS model, u.requests, u.errors, u.cached AS cached_requests,
    CASE WHEN u.priced > 0 THEN u.cost END AS cost, u.requests - u.priced AS unpriced_requests,
    CASE WHEN u.metered > 0 THEN u.tokens_in END AS tokens_in,
        CASE WHEN u.metered > 0 THEN u.tokens_out END AS tokens_out,
    u.requests - u.metered AS unmetered_requests
FROM public.usage_metadata u;

CREATE VIEW usage.metadata_by_day AS
SELECT (u.bucket AT TIME ZONE 'UTC')::date AS day, u.account_id, u.gateway_id, u.key, u.value, nullif(u.provider,
    '') AS provider,
    nullif(u.model, '') AS model, u.requests, u.errors, u.cached AS cached_requests,
    CASE WHEN u.priced > 0 THEN u.cost END AS cost, u.requests - u.priced AS unpriced_requests,
    CASE WHEN u.metered > 0 THEN u.tokens_in END AS tokens_in,
        CASE WHEN u.metered > 0 THEN u.tokens_out END AS tokens_out,
    u.requests - u.metered AS unmetered_requests
FROM public.usage_metadata_days u;

CREATE VIEW usage.durations_by_hour AS
SELECT u.bucket AS hour, u.account_id, u.gateway_id, nullif(u.provider, '') AS provider, nullif(u.model, '') AS model,
    u.cached, power(2::double precision, u.class / 8.0) / 1000 AS from_ms,
    power(2::double precision, (u.class + 1) / 8.0) / 1000 AS to_ms, u.requests
FROM public.usage_durations u;

-- For reports: may read these views and nothing else. Give it to the roles that people log in with.
DO $$
BEGIN
    CREATE ROLE aigatewayd_reader NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'no right to create the role aigatewayd_reader; make it and run: SELECT grant_usage_reader()';
END
$$;

CREATE FUNCTION grant_usage_reader() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'aigatewayd_reader') THEN
        GRANT USAGE ON SCHEMA usage TO aigatewayd_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA usage TO aigatewayd_reader;
    END IF;
END
$$;
SELECT grant_usage_reader();
