-- How many rows each gateway's log holds, so that lists and storage limits need not count them, and what is left to
-- delete.
--
-- Statement-level triggers keep the counts in the transaction that changes `logs`, whoever changes it.

CREATE TABLE log_totals (
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    rows bigint NOT NULL,
    PRIMARY KEY (account_id, gateway_id)
) WITH (fillfactor = 50);

-- The same by hour (UTC) and by what the log list is ordered by.
CREATE TABLE log_counts (
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    model_type text,
    success boolean NOT NULL,
    cached boolean NOT NULL,
    rows bigint NOT NULL
) WITH (fillfactor = 70);

-- With a digest in it, because names together may exceed what an index entry holds.
CREATE FUNCTION log_name_digest(provider text, model text, model_type text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN md5(length(provider) || ':' || provider || length(model) || ':' || model || coalesce('=' || model_type, ''));
CREATE UNIQUE INDEX log_counts_identity ON log_counts (
    account_id, gateway_id, hour, log_name_digest(provider, model, model_type), success, cached
);

-- Adds the rows of `changed` to the counts, `sign` times.
--
-- Rows are written in the order of their keys, so that two writers wait for each other instead of deadlocking.
CREATE FUNCTION count_logs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign CONSTANT integer := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
BEGIN
    WITH cells AS MATERIALIZED (
        SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC') AS hour, provider, model, model_type, success,
            cached, sign * count(*) AS rows
        FROM changed GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ), totals AS (
        INSERT INTO log_totals AS t SELECT account_id, gateway_id, sum(rows) FROM cells GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (account_id, gateway_id) DO UPDATE SET rows = t.rows + excluded.rows
    )
    INSERT INTO log_counts AS c SELECT * FROM cells ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT (account_id, gateway_id, hour, log_name_digest(provider, model, model_type), success, cached)
    DO UPDATE SET rows = c.rows + excluded.rows;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM log_counts c USING (
            SELECT DISTINCT account_id, gateway_id, date_trunc('hour', created_at, 'UTC') AS hour FROM changed
        ) d
        WHERE c.account_id = d.account_id AND c.gateway_id = d.gateway_id AND c.hour = d.hour AND c.rows <= 0;
    END IF;
    RETURN NULL;
END
$$;

-- The same for rows that were changed: feedback, score and metadata are counted nowhere.
CREATE FUNCTION recount_changed_logs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH cells AS MATERIALIZED (
        SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC') AS hour, provider, model, model_type, success,
            cached, sum(change) AS rows
        FROM (
            SELECT account_id, gateway_id, created_at, provider, model, model_type, success, cached, 1 AS change
            FROM added
            UNION ALL
            SELECT account_id, gateway_id, created_at, provider, model, model_type, success, cached, -1 FROM removed
        ) both_sides
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(change) <> 0
    ), totals AS (
        INSERT INTO log_totals AS t SELECT account_id, gateway_id, sum(rows) FROM cells GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (account_id, gateway_id) DO UPDATE SET rows = t.rows + excluded.rows
    )
    INSERT INTO log_counts AS c SELECT * FROM cells ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT (account_id, gateway_id, hour, log_name_digest(provider, model, model_type), success, cached)
    DO UPDATE SET rows = c.rows + excluded.rows;
    DELETE FROM log_counts c USING (
        SELECT DISTINCT account_id, gateway_id, date_trunc('hour', created_at, 'UTC') AS hour FROM removed
    ) r
    WHERE c.account_id = r.account_id AND c.gateway_id = r.gateway_id AND c.hour = r.hour AND c.rows <= 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_log_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM log_totals;
    DELETE FROM log_counts;
    RETURN NULL;
END
$$;

-- Lets `log_table`, which is `logs` or one of its partitions, be counted. A statement fires the triggers of the table
-- it names, and of no other.
CREATE FUNCTION count_log_table(log_table text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER count_inserted AFTER INSERT ON %I REFERENCING NEW TABLE AS changed '
        'FOR EACH STATEMENT EXECUTE FUNCTION count_logs()', log_table);
    EXECUTE format('CREATE TRIGGER count_deleted AFTER DELETE ON %I REFERENCING OLD TABLE AS changed '
        'FOR EACH STATEMENT EXECUTE FUNCTION count_logs()', log_table);
    EXECUTE format('CREATE TRIGGER count_changed AFTER UPDATE ON %I REFERENCING OLD TABLE AS removed NEW TABLE AS added '
        'FOR EACH STATEMENT EXECUTE FUNCTION recount_changed_logs()', log_table);
END
$$;

-- Counts the rows of one month anew; needed only after a partition was dropped or filled by hand.
--
-- The lock holds writers back where they add to the counts: whoever waits there has not committed its rows, and whoever
-- has passed is waited for.
CREATE FUNCTION recount_logs(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lower_bound timestamptz := date_trunc('month', month)::timestamp AT TIME ZONE 'UTC';
    upper_bound timestamptz := (date_trunc('month', month) + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    LOCK TABLE log_totals, log_counts IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM log_counts WHERE hour >= lower_bound AND hour < upper_bound;
    INSERT INTO log_counts
    SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC'), provider, model, model_type, success, cached,
        count(*)
    FROM logs WHERE created_at >= lower_bound AND created_at < upper_bound GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    DELETE FROM log_totals;
    INSERT INTO log_totals SELECT account_id, gateway_id, sum(rows) FROM log_counts GROUP BY 1, 2;
END
$$;

-- Drops one month of logs with its bodies; false when there is no such partition.
--
-- Waits no longer than two seconds for those who read or write logs; raises lock_not_available then.
CREATE FUNCTION drop_log_month(month date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    suffix text := to_char(date_trunc('month', month), '"_"YYYYMM');
    lower_bound timestamptz := date_trunc('month', month)::timestamp AT TIME ZONE 'UTC';
    upper_bound timestamptz := (date_trunc('month', month) + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('aigatewayd log partitions'));
    IF to_regclass('logs' || suffix) IS NULL AND to_regclass('log_bodies' || suffix) IS NULL THEN
        RETURN false;
    END IF;
    -- As a writer takes them: the tables of rows first, then those of counts.
    EXECUTE format('DROP TABLE IF EXISTS %I', 'logs' || suffix);
    EXECUTE format('DROP TABLE IF EXISTS %I', 'log_bodies' || suffix);
    WITH gone AS (
        DELETE FROM log_counts WHERE hour >= lower_bound AND hour < upper_bound
        RETURNING account_id, gateway_id, rows
    )
    UPDATE log_totals t SET rows = t.rows - g.rows
    FROM (SELECT account_id, gateway_id, sum(rows) AS rows FROM gone GROUP BY 1, 2) g
    WHERE t.account_id = g.account_id AND t.gateway_id = g.gateway_id;
    RETURN true;
END
$$;

-- Counts the months anew whose partition is gone, and those that were filled or emptied by hand in the default partition;
-- returns how many.
CREATE FUNCTION sweep_log_counts() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    stale date;
    swept integer := 0;
BEGIN
    FOR stale IN
        SELECT c.month FROM (
            SELECT date_trunc('month', hour AT TIME ZONE 'UTC')::date AS month, sum(rows) AS rows FROM log_counts GROUP BY 1
        ) c
        LEFT JOIN (
            SELECT date_trunc('month', created_at AT TIME ZONE 'UTC')::date AS month, count(*) AS rows
            FROM logs_default GROUP BY 1
        ) d ON d.month = c.month
        WHERE c.month NOT IN (SELECT log_months()) AND c.rows <> coalesce(d.rows, 0)
    LOOP
        PERFORM recount_logs(stale);
        swept := swept + 1;
    END LOOP;
    RETURN swept;
END
$$;

-- The months that have a partition of their own.
CREATE FUNCTION log_months() RETURNS SETOF date LANGUAGE sql STABLE AS $$
    SELECT to_date(right(c.relname, 6), 'YYYYMM') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'logs'::regclass AND c.relname ~ '^logs_[0-9]{6}$'
$$;

CREATE OR REPLACE FUNCTION make_log_partition(parent text, month date) RETURNS boolean LANGUAGE plpgsql AS $$
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
    IF parent = 'logs' THEN
        -- What is taken from one table and given to the other stays counted.
        PERFORM count_log_table(partition);
    END IF;
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

-- Rows are counted from here on, and those that are there already.
DO $$
DECLARE
    log_table text;
BEGIN
    PERFORM count_log_table('logs');
    FOR log_table IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'logs'::regclass
    LOOP
        PERFORM count_log_table(log_table);
    END LOOP;
END
$$;
CREATE TRIGGER count_nothing AFTER TRUNCATE ON logs FOR EACH STATEMENT EXECUTE FUNCTION forget_log_counts();
INSERT INTO log_counts
SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC'), provider, model, model_type, success, cached, count(*)
FROM logs GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO log_totals SELECT account_id, gateway_id, sum(rows) FROM log_counts GROUP BY 1, 2;

-- Few gateways delete, and each is looked at again and again.
CREATE INDEX gateways_delete_oldest ON gateways (account_id, id) WHERE log_management_strategy = 'DELETE_OLDEST';

-- Feedback is rare, and asked for.
CREATE INDEX logs_feedback ON logs (account_id, gateway_id, created_at) WHERE feedback IS NOT NULL;

-- Most rows are their own event.
CREATE INDEX logs_event ON logs (event_id) WHERE event_id <> id;

-- What clients asked to delete; control works through it in small pieces.
CREATE TABLE log_deletions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    -- Filters and order as the API states them; null: every row, because the gateway was deleted.
    selection jsonb,
    -- How many more rows may go; null: all.
    remaining bigint CHECK (remaining > 0),
    -- Rows that were made later stay.
    cut timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX log_deletions_gateway ON log_deletions (account_id, gateway_id);

-- Rows that a full log took no more, so that a repeated batch does not count them twice in reports.
CREATE TABLE log_refusals (
    id text COLLATE "C" PRIMARY KEY,
    refused_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX log_refusals_time ON log_refusals (refused_at);

-- The advisory lock under which a gateway's log is kept to its limit.
CREATE FUNCTION log_limit_lock(account_id text, gateway_id text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended('aigatewayd log of ' || account_id || '/' || gateway_id, 0);
