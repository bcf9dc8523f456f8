-- One row per executed step of a request, its bodies apart, both partitioned by month.
--
-- No foreign keys: a row whose gateway was deleted while it waited in a spool is still a fact that was paid for.
-- Rows of a month without a partition land in the default partition and move when the partition is made.

CREATE TABLE logs (
    -- ULID; with created_at the identity of a row, so that writing it twice stores it once.
    id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    event_id text NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    model_type text,
    path text NOT NULL,
    method text NOT NULL,
    request_type text NOT NULL,
    request_content_type text,
    response_content_type text,
    status_code integer NOT NULL,
    success boolean NOT NULL,
    cached boolean NOT NULL,
    step integer NOT NULL,
    -- Microseconds.
    duration_us bigint NOT NULL,
    first_byte_us bigint,
    -- US dollars; null when unknown.
    cost numeric,
    upstream_cost numeric,
    custom_cost boolean NOT NULL,
    metadata jsonb,
    request_size bigint NOT NULL,
    response_size bigint NOT NULL,
    request_complete boolean NOT NULL,
    response_complete boolean NOT NULL,
    streamed boolean NOT NULL,
    authenticated boolean NOT NULL,
    token_id text,
    key_alias text,
    user_agent text,
    error_code integer,
    feedback smallint,
    score double precision,
    -- What the provider reported; null when it reported nothing.
    tokens_in bigint,
    tokens_out bigint,
    tokens_cached bigint,
    tokens_cache_write_5m bigint,
    tokens_cache_write_1h bigint,
    tokens_cache_write_12h bigint,
    tokens_reasoning bigint,
    tokens_input_audio bigint,
    tokens_output_audio bigint,
    tokens_cached_audio bigint,
    tokens_input_image bigint,
    tokens_output_image bigint,
    tokens_cached_image bigint,
    tokens_input_video bigint,
    tokens_output_video bigint,
    tokens_citation bigint,
    web_searches bigint,
    characters bigint,
    media_milliseconds bigint,
    images bigint,
    pages bigint,
    requests bigint,
    search_units bigint,
    service_tier text,
    inference_geo text,
    speed text,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX logs_gateway_time ON logs (account_id, gateway_id, created_at, id);

-- Bytes as they were stored, which need not be text. Absent row: payload not kept.
CREATE TABLE log_bodies (
    id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    request bytea,
    response bytea,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE TABLE logs_default PARTITION OF logs DEFAULT;
CREATE TABLE log_bodies_default PARTITION OF log_bodies DEFAULT;

-- Makes the partition of one month, moving what the default partition holds of it; true when it is new.
CREATE FUNCTION make_log_partition(parent text, month date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    start_month date := date_trunc('month', month)::date;
    partition text := parent || to_char(date_trunc('month', month), '"_"YYYYMM');
    lower_bound timestamptz := start_month::timestamp AT TIME ZONE 'UTC';
    upper_bound timestamptz := (start_month + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    IF parent NOT IN ('logs', 'log_bodies') THEN
        RAISE EXCEPTION 'not a log table: %', parent;
    END IF;
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, parent);
    -- A partition that is made while the default one already holds rows of its month takes them over.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent || '_default');
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE created_at >= $1 AND created_at < $2 RETURNING *) '
        'INSERT INTO %I SELECT * FROM moved', parent || '_default', partition)
        USING lower_bound, upper_bound;
    IF parent = 'log_bodies' THEN
        -- LZ4 where the server has it: a quarter of pglz's cost per body.
        BEGIN
            EXECUTE format(
                'ALTER TABLE %I ALTER COLUMN request SET COMPRESSION lz4, ALTER COLUMN response SET COMPRESSION lz4',
                partition);
        EXCEPTION WHEN feature_not_supported THEN
            NULL;
        END;
    END IF;
    EXECUTE format(
        'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, lower_bound, upper_bound);
    RETURN true;
END
$$;

-- Makes the partitions of this month and of `ahead` months after it; the number that are new.
CREATE FUNCTION make_log_partitions(ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    parent text;
    distance integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('aigatewayd log partitions'));
    FOREACH parent IN ARRAY ARRAY['logs', 'log_bodies'] LOOP
        FOR distance IN 0..ahead LOOP
            IF make_log_partition(
                parent, ((now() AT TIME ZONE 'UTC') + make_interval(months => distance))::date)
            THEN
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

SELECT make_log_partitions(2);
