-- What is to be sent out: settled requests of gateways with OTEL exporters, and of those that are pushed by a job.
--
-- A row is written in the transaction that stores the request, and deleted once its receiver has taken it: nothing is
-- lost when a process dies in between, and some of it may be sent twice.

CREATE TABLE export_queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    -- `otel:` and the digest of the exporter's URL, or `logpush:` and the job's number.
    target text COLLATE "C" NOT NULL,
    -- The row of `logs`.
    log_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX export_queue_target ON export_queue (target, account_id, id);
CREATE INDEX export_queue_time ON export_queue (queued_at);

-- Names are those of Cloudflare's Logpush jobs.
CREATE TABLE logpush_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT false,
    -- The sealed destination, which may hold credentials, and what may be shown of it.
    destination_envelope bytea NOT NULL,
    destination_preview text NOT NULL,
    last_complete timestamptz,
    last_error timestamptz,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX logpush_jobs_account ON logpush_jobs (account_id, id);

CREATE FUNCTION queue_exports() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    INSERT INTO export_queue (account_id, gateway_id, target, log_id, created_at)
    SELECT s.account_id, s.gateway_id, 'otel:' || md5(e.exporter ->> 'url'), s.id, s.created_at
    FROM settled s
        JOIN gateways g ON g.account_id = s.account_id AND g.id = s.gateway_id
        CROSS JOIN LATERAL jsonb_array_elements(
            CASE WHEN jsonb_typeof(g.otel) = 'array' THEN g.otel END) AS e(exporter)
    WHERE e.exporter ->> 'url' IS NOT NULL;
    INSERT INTO export_queue (account_id, gateway_id, target, log_id, created_at)
    SELECT s.account_id, s.gateway_id, 'logpush:' || j.id, s.id, s.created_at
    FROM settled s
        JOIN gateways g ON g.account_id = s.account_id AND g.id = s.gateway_id AND g.logpush
        JOIN logpush_jobs j ON j.account_id = s.account_id AND j.enabled;
    RETURN NULL;
END
$$;
CREATE TRIGGER queue_exports AFTER INSERT ON logs REFERENCING NEW TABLE AS settled
    FOR EACH STATEMENT EXECUTE FUNCTION queue_exports();

-- What no receiver took within three days, or nobody is there to take; returns the rows that went.
CREATE FUNCTION prune_exports() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM export_queue q
    WHERE q.queued_at < now() - interval '3 days'
        OR q.target LIKE 'logpush:%'
            AND NOT EXISTS (SELECT FROM logpush_jobs j WHERE q.target = 'logpush:' || j.id AND j.enabled)
        OR q.target LIKE 'otel:%' AND NOT EXISTS (
            SELECT FROM gateways g CROSS JOIN LATERAL jsonb_array_elements(
                CASE WHEN jsonb_typeof(g.otel) = 'array' THEN g.otel END) AS e(exporter)
            WHERE g.account_id = q.account_id AND g.id = q.gateway_id
                AND q.target = 'otel:' || md5(e.exporter ->> 'url')
        );
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
