-- Rows of tries that failed and were followed by another one. A request that was tried again is one request, whatever the
-- number of its rows: reports count the last one of each step.

ALTER TABLE logs ADD COLUMN retried boolean NOT NULL DEFAULT false;

-- What one statement stored, added to the roll-ups. `settled` is the trigger's transition table. A node of an older release
-- goes on with temporary tables that were made without the column: there `retried` is that of `older`.
--
-- Times outside of the years 1970 to 9998 count at that border, since dates cannot be cut there.
-- Rows are written in the order of their keys, so that two nodes wait for each other instead of deadlocking.
-- Its plans are kept while the tables grow from nothing, so they must not rest on how small the tables were.
CREATE OR REPLACE FUNCTION roll_up_usage() RETURNS trigger
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    key_limit CONSTANT integer := 100;
    value_limit CONSTANT integer := 1000;
    unseen usage_metadata_values[];
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
        FROM (SELECT false AS retried) AS older CROSS JOIN LATERAL (SELECT * FROM settled WHERE NOT retried) AS counted
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
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
    FROM (SELECT false AS retried) AS older CROSS JOIN LATERAL (SELECT * FROM settled WHERE NOT retried) AS counted
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (account_id, bucket, gateway_id, provider, model, cached, class)
    DO UPDATE SET requests = u.requests + excluded.requests;

    IF NOT EXISTS (
        SELECT FROM (SELECT false AS retried) AS older CROSS JOIN LATERAL (SELECT * FROM settled WHERE NOT retried) AS counted
        WHERE jsonb_typeof(metadata) = 'object' AND metadata <> '{}'
    ) THEN
        RETURN NULL;
    END IF;

    -- Entries that may get a number of their own. Many requests share their metadata, which is taken apart once.
    -- Look-ups are subqueries of single rows, here and below: as joins they would be planned for a hundred rows each.
    WITH entries AS MATERIALIZED (
        SELECT m.account_id, m.gateway_id, m.day, left(e.key, 128) AS key, left(e.value, 128) AS value,
            count(*)::integer AS weight
        FROM (
            SELECT DISTINCT account_id, gateway_id,
                (least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z') AT TIME ZONE 'UTC')::date AS day, metadata
            FROM (SELECT false AS retried) AS older CROSS JOIN LATERAL (SELECT * FROM settled WHERE NOT retried) AS counted
            WHERE metadata IS NOT NULL
        ) m CROSS JOIN LATERAL jsonb_each_text(
            CASE WHEN jsonb_typeof(m.metadata) = 'object' THEN m.metadata END) e
        WHERE e.value IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5
    )
    SELECT array_agg(ROW(e.account_id, e.gateway_id, e.day, e.key, e.value, e.weight)::usage_metadata_values) INTO unseen
    FROM entries e
    WHERE coalesce((
            SELECT k.value_count FROM usage_metadata_keys k
            WHERE k.account_id = e.account_id AND k.gateway_id = e.gateway_id AND k.day = e.day
                AND usage_entry_digest(k.key, NULL) = usage_entry_digest(e.key, NULL)
        ), 0) < value_limit
        AND (
            SELECT v.number FROM usage_metadata_values v
            WHERE v.account_id = e.account_id AND v.gateway_id = e.gateway_id AND v.day = e.day
                AND usage_entry_digest(v.key, v.value) = usage_entry_digest(e.key, e.value)
        ) IS NULL;

    IF unseen IS NOT NULL THEN
        -- Where there is not room for all new keys, those that most requests have come first.
        INSERT INTO usage_metadata_keys
        SELECT account_id, gateway_id, day, key, 0
        FROM (
            SELECT f.account_id, f.gateway_id, f.day, f.key, f.place, max(CASE WHEN f.place = 1 THEN (
                SELECT count(*) FROM usage_metadata_keys k
                WHERE k.account_id = f.account_id AND k.gateway_id = f.gateway_id AND k.day = f.day
            ) END) OVER (PARTITION BY f.account_id, f.gateway_id, f.day) AS known
            FROM (
                SELECT u.*, row_number() OVER (
                    PARTITION BY account_id, gateway_id, day ORDER BY weight DESC, key) AS place
                FROM (
                    SELECT account_id, gateway_id, day, key, sum(number) AS weight
                    FROM unnest(unseen) GROUP BY 1, 2, 3, 4
                ) u
                WHERE (
                    SELECT k.value_count FROM usage_metadata_keys k
                    WHERE k.account_id = u.account_id AND k.gateway_id = u.gateway_id AND k.day = u.day
                        AND usage_entry_digest(k.key, NULL) = usage_entry_digest(u.key, NULL)
                ) IS NULL
            ) f
        ) p
        WHERE known + place <= key_limit
        ORDER BY 1, 2, 3, 4
        ON CONFLICT DO NOTHING;

        -- One node after the other adds values to a key; what the one before has stored is visible to the next statement.
        PERFORM FROM (
            SELECT DISTINCT account_id, gateway_id, day, key FROM unnest(unseen) ORDER BY 1, 2, 3, 4
        ) u CROSS JOIN LATERAL (
            SELECT FROM usage_metadata_keys k
            WHERE k.account_id = u.account_id AND k.gateway_id = u.gateway_id AND k.day = u.day
                AND usage_entry_digest(k.key, NULL) = usage_entry_digest(u.key, NULL)
            LIMIT 1 FOR UPDATE
        ) k;

        WITH stored AS (
            INSERT INTO usage_metadata_values
            SELECT f.account_id, f.gateway_id, f.day, f.key, f.value, f.value_count + f.place
            FROM (
                SELECT u.account_id, u.gateway_id, u.day, u.key, u.value, k.value_count, row_number() OVER (
                    PARTITION BY u.account_id, u.gateway_id, u.day, u.key ORDER BY u.value) AS place
                FROM unnest(unseen) u CROSS JOIN LATERAL (
                    SELECT k.value_count FROM usage_metadata_keys k
                    WHERE k.account_id = u.account_id AND k.gateway_id = u.gateway_id AND k.day = u.day
                        AND usage_entry_digest(k.key, NULL) = usage_entry_digest(u.key, NULL)
                    LIMIT 1
                ) k
                WHERE (
                    SELECT v.number FROM usage_metadata_values v
                    WHERE v.account_id = u.account_id AND v.gateway_id = u.gateway_id AND v.day = u.day
                        AND usage_entry_digest(v.key, v.value) = usage_entry_digest(u.key, u.value)
                ) IS NULL
            ) f
            WHERE f.value_count + f.place <= value_limit
            ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT DO NOTHING
            RETURNING account_id, gateway_id, day, key
        )
        INSERT INTO usage_metadata_keys AS k
        SELECT account_id, gateway_id, day, key, count(*) FROM stored GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (account_id, gateway_id, day, usage_entry_digest(key, NULL))
        DO UPDATE SET value_count = k.value_count + excluded.value_count;
    END IF;

    WITH shared AS (
        SELECT account_id, date_trunc('hour', least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z'), 'UTC') AS bucket,
            gateway_id, left(provider, 128) AS provider, left(model, 256) AS model, metadata, count(*) AS requests,
            count(*) FILTER (WHERE NOT success) AS errors, count(*) FILTER (WHERE cached) AS cached,
            count(*) FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL) AS metered, count(cost) AS priced,
            coalesce(sum(tokens_in), 0) AS tokens_in, coalesce(sum(tokens_out), 0) AS tokens_out,
            coalesce(sum(cost), 0) AS cost
        FROM (SELECT false AS retried) AS older CROSS JOIN LATERAL (SELECT * FROM settled WHERE NOT retried) AS counted
        WHERE metadata IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
    ), entries AS MATERIALIZED (
        SELECT s.account_id, s.bucket, s.gateway_id, e.key, e.value, s.provider, s.model,
            sum(s.requests)::bigint AS requests, sum(s.errors)::bigint AS errors, sum(s.cached)::bigint AS cached,
            sum(s.metered)::bigint AS metered, sum(s.priced)::bigint AS priced, sum(s.tokens_in) AS tokens_in,
            sum(s.tokens_out) AS tokens_out, sum(s.cost) AS cost
        FROM shared s CROSS JOIN LATERAL (
            -- A request counts once among the keys, and the values, that are not counted apart.
            SELECT DISTINCT (
                SELECT k.key FROM usage_metadata_keys k
                WHERE k.account_id = s.account_id AND k.gateway_id = s.gateway_id
                    AND k.day = (s.bucket AT TIME ZONE 'UTC')::date
                    AND usage_entry_digest(k.key, NULL) = usage_entry_digest(left(m.key, 128), NULL)
            ) AS key, (
                SELECT v.value FROM usage_metadata_values v
                WHERE v.account_id = s.account_id AND v.gateway_id = s.gateway_id
                    AND v.day = (s.bucket AT TIME ZONE 'UTC')::date AND v.key = left(m.key, 128)
                    AND usage_entry_digest(v.key, v.value) = usage_entry_digest(left(m.key, 128), left(m.value, 128))
            ) AS value
            FROM jsonb_each_text(CASE WHEN jsonb_typeof(s.metadata) = 'object' THEN s.metadata END) m
            WHERE m.value IS NOT NULL
        ) e
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), into_hours AS (
        INSERT INTO usage_metadata AS u SELECT * FROM entries ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (account_id, bucket, gateway_id, usage_entry_digest(key, value), provider, model)
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
    ON CONFLICT (account_id, bucket, gateway_id, usage_entry_digest(key, value), provider, model)
    DO UPDATE SET requests = u.requests + excluded.requests, errors = u.errors + excluded.errors,
        cached = u.cached + excluded.cached, metered = u.metered + excluded.metered,
            priced = u.priced + excluded.priced,
        tokens_in = u.tokens_in + excluded.tokens_in, tokens_out = u.tokens_out + excluded.tokens_out,
        cost = u.cost + excluded.cost;
    RETURN NULL;
END
$$;

-- The same for the totals of minutes.
CREATE OR REPLACE FUNCTION roll_up_totals() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    INSERT INTO usage_minute_totals AS u
    SELECT account_id, date_trunc('minute', least(greatest(created_at, '1970-01-01Z'), '9999-01-01Z'), 'UTC') AS bucket,
        gateway_id, cached, success, count(*),
        count(*) FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL), count(cost), count(first_byte_us),
        coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(tokens_cached), 0),
        coalesce(sum(tokens_reasoning), 0), coalesce(sum(cost), 0), sum(request_size), sum(response_size),
        sum(duration_us), coalesce(sum(first_byte_us), 0)
    FROM (SELECT false AS retried) AS older CROSS JOIN LATERAL (SELECT * FROM settled WHERE NOT retried) AS counted
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
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
