-- A month of logs is gone at once, whatever its size: its tables are set apart, and what takes the file system its time,
-- removing their files, is done afterwards, where nobody waits for it.

-- Drops one month of logs with its bodies; false when there is no such partition. `remove_dropped_logs` frees the space.
--
-- Waits no longer than two seconds for those who read or write logs; raises lock_not_available then.
CREATE OR REPLACE FUNCTION drop_log_month(month date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    suffix text := to_char(date_trunc('month', month), '"_"YYYYMM');
    lower_bound timestamptz := date_trunc('month', month)::timestamp AT TIME ZONE 'UTC';
    upper_bound timestamptz := (date_trunc('month', month) + interval '1 month') AT TIME ZONE 'UTC';
    parent text;
    dropped boolean := false;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('aigatewayd log partitions'));
    -- As a writer takes them: the tables of rows first, then those of counts.
    FOREACH parent IN ARRAY ARRAY['logs', 'log_bodies'] LOOP
        IF EXISTS (
            SELECT FROM pg_inherits
            WHERE inhparent = parent::regclass AND inhrelid = to_regclass(quote_ident(parent || suffix))
        ) THEN
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, parent || suffix);
            -- A new partition of the month may be made before the old one's files are gone.
            EXECUTE format(
                'ALTER TABLE %I RENAME TO %I', parent || suffix,
                'dropped_' || parent || suffix || '_' || pg_current_xact_id()::text);
            dropped := true;
        END IF;
    END LOOP;
    IF NOT dropped THEN
        RETURN false;
    END IF;
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

-- Gives back the space of the months that were dropped; returns the number of tables.
--
-- A node that finds another one at it leaves it to that one.
CREATE FUNCTION remove_dropped_logs() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    leftover text;
    removed integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('aigatewayd dropped logs')) THEN
        RETURN 0;
    END IF;
    FOR leftover IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relkind = 'r' AND NOT c.relispartition
            AND c.relname ~ '^dropped_(logs|log_bodies)_[0-9]{6}_[0-9]+$'
    LOOP
        EXECUTE format('DROP TABLE %I', leftover);
        removed := removed + 1;
    END LOOP;
    RETURN removed;
END
$$;
