-- Exports that neither a gateway's settings nor a backlog can bring to a stand: few exporters count, each receiver's rows
-- are found without reading those of others, and what nobody takes any more goes in pieces.

-- The exporters of a gateway that count, which are the first five, with their names in the queue: `otel:` and the digest
-- of the URL; of several with one URL the second has `:2` behind it, and so on.
CREATE FUNCTION gateway_exporters(otel jsonb) RETURNS TABLE (target text, exporter jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 'otel:' || md5(url) || CASE WHEN turn > 1 THEN ':' || turn ELSE '' END, entry
    FROM (
        SELECT entry, entry ->> 'url' AS url, row_number() OVER (PARTITION BY entry ->> 'url' ORDER BY place) AS turn
        FROM generate_series(0, 4) AS place CROSS JOIN LATERAL (SELECT otel -> place AS entry) AS e
        WHERE jsonb_typeof(otel) = 'array'
    ) AS numbered
    WHERE url IS NOT NULL
$$;

CREATE OR REPLACE FUNCTION queue_exports() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    WITH exporters AS MATERIALIZED (
        SELECT g.account_id, g.id, e.target
        FROM (SELECT DISTINCT account_id, gateway_id FROM settled) s
            JOIN gateways g ON g.account_id = s.account_id AND g.id = s.gateway_id AND g.otel IS NOT NULL
            CROSS JOIN LATERAL gateway_exporters(g.otel) AS e
    )
    INSERT INTO export_queue (account_id, gateway_id, target, log_id, created_at)
    SELECT s.account_id, s.gateway_id, e.target, s.id, s.created_at
    FROM settled s JOIN exporters e ON e.account_id = s.account_id AND e.id = s.gateway_id;
    INSERT INTO export_queue (account_id, gateway_id, target, log_id, created_at)
    SELECT s.account_id, s.gateway_id, 'logpush:' || j.id, s.id, s.created_at
    FROM settled s
        JOIN gateways g ON g.account_id = s.account_id AND g.id = s.gateway_id AND g.logpush
        JOIN logpush_jobs j ON j.account_id = s.account_id AND j.enabled;
    RETURN NULL;
END
$$;

DROP INDEX export_queue_target;
CREATE INDEX export_queue_exporter ON export_queue (target, account_id, gateway_id, id) WHERE target LIKE 'otel:%';
CREATE INDEX export_queue_job ON export_queue (target, id) WHERE target LIKE 'logpush:%';

-- For whom something waits. Each step finds the next name in the index, past all rows of the one before: the time is that
-- of the receivers, not of the rows.
CREATE FUNCTION waiting_exporters() RETURNS TABLE (target text, account_id text, gateway_id text)
LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS $$
    WITH RECURSIVE waiting AS (
        (
            SELECT q.target, q.account_id, q.gateway_id FROM export_queue q WHERE q.target LIKE 'otel:%'
            ORDER BY q.target, q.account_id, q.gateway_id LIMIT 1
        )
        UNION ALL
        SELECT n.target, n.account_id, n.gateway_id FROM waiting w CROSS JOIN LATERAL (
            SELECT q.target, q.account_id, q.gateway_id FROM export_queue q
            WHERE q.target LIKE 'otel:%'
                AND (q.target, q.account_id, q.gateway_id) > (w.target, w.account_id, w.gateway_id)
            ORDER BY q.target, q.account_id, q.gateway_id LIMIT 1
        ) AS n
    )
    SELECT target, account_id, gateway_id FROM waiting
$$;

-- The same of Logpush jobs.
CREATE FUNCTION waiting_jobs() RETURNS TABLE (target text)
LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS $$
    WITH RECURSIVE waiting AS (
        (SELECT q.target FROM export_queue q WHERE q.target LIKE 'logpush:%' ORDER BY q.target LIMIT 1)
        UNION ALL
        SELECT n.target FROM waiting w CROSS JOIN LATERAL (
            SELECT q.target FROM export_queue q WHERE q.target LIKE 'logpush:%' AND q.target > w.target
            ORDER BY q.target LIMIT 1
        ) AS n
    )
    SELECT target FROM waiting
$$;

-- Removes some of what no receiver took within three days, or nobody is there to take; returns how many rows went. To be
-- called until that is none.
CREATE OR REPLACE FUNCTION prune_exports() RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    piece CONSTANT integer := 5000;
    pruned bigint;
BEGIN
    WITH deserted_exporters AS MATERIALIZED (
        SELECT w.target, w.account_id, w.gateway_id FROM waiting_exporters() w
        WHERE NOT EXISTS (
            SELECT FROM gateways g CROSS JOIN LATERAL gateway_exporters(g.otel) AS e
            WHERE g.account_id = w.account_id AND g.id = w.gateway_id AND e.target = w.target
        )
    ), deserted_jobs AS MATERIALIZED (
        SELECT w.target FROM waiting_jobs() w
        WHERE NOT EXISTS (SELECT FROM logpush_jobs j WHERE 'logpush:' || j.id = w.target AND j.enabled)
    ), doomed AS MATERIALIZED (
        (SELECT id FROM export_queue WHERE queued_at < now() - interval '3 days' ORDER BY queued_at LIMIT piece)
        UNION
        (
            SELECT r.id FROM deserted_exporters d CROSS JOIN LATERAL (
                SELECT q.id FROM export_queue q
                WHERE q.target LIKE 'otel:%' AND q.target = d.target AND q.account_id = d.account_id
                    AND q.gateway_id = d.gateway_id
                LIMIT piece
            ) AS r LIMIT piece
        )
        UNION
        (
            SELECT r.id FROM deserted_jobs d CROSS JOIN LATERAL (
                SELECT q.id FROM export_queue q WHERE q.target LIKE 'logpush:%' AND q.target = d.target LIMIT piece
            ) AS r LIMIT piece
        )
    )
    DELETE FROM export_queue q USING doomed d WHERE q.id = d.id;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
