-- Retention that reaches rows without a partition of their own, and counting anew that holds up no other writer.

-- What is searched by time alone, which is done every minute, has few rows, or rows in the order of their time.
CREATE INDEX logs_default_time ON logs_default (created_at);
CREATE INDEX log_bodies_default_time ON log_bodies_default (created_at);
CREATE INDEX log_counts_hour ON log_counts USING brin (hour);

-- Deletes up to `piece` rows of each default partition that were made before `before`; returns how many went.
--
-- Such rows come late, out of a spool, for a month that was dropped.
CREATE FUNCTION delete_default_logs(before timestamptz, piece integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    bodies bigint;
    entries bigint;
BEGIN
    DELETE FROM log_bodies_default
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM log_bodies_default WHERE created_at < before ORDER BY created_at LIMIT piece));
    GET DIAGNOSTICS bodies = ROW_COUNT;
    DELETE FROM logs_default
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM logs_default WHERE created_at < before ORDER BY created_at LIMIT piece));
    GET DIAGNOSTICS entries = ROW_COUNT;
    RETURN bodies + entries;
END
$$;

DROP FUNCTION sweep_log_counts();

-- The months without a partition whose counts are not those of the default partition: their partition was dropped by
-- hand, or the default one was changed past its triggers. None while another node looks.
CREATE FUNCTION stale_log_months() RETURNS SETOF date LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('aigatewayd log counts')) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT month FROM (
        SELECT date_trunc('month', hour AT TIME ZONE 'UTC')::date AS month, sum(rows) AS rows FROM log_counts GROUP BY 1
    ) c
    FULL JOIN (
        SELECT date_trunc('month', created_at AT TIME ZONE 'UTC')::date AS month, count(*) AS rows
        FROM logs_default GROUP BY 1
    ) d USING (month)
    WHERE month NOT IN (SELECT log_months()) AND coalesce(c.rows, 0) <> coalesce(d.rows, 0)
    ORDER BY month;
END
$$;

-- Counts the rows of a month without a partition anew; false when it has one, or another node counts.
--
-- Nobody adds to the counts of such a month without writing to the default partition, so that nothing but this
-- partition has to be locked: who writes to other months goes on. Waits for two seconds; raises lock_not_available then.
CREATE FUNCTION recount_default_logs(stale date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    lower_bound timestamptz := date_trunc('month', stale)::timestamp AT TIME ZONE 'UTC';
    upper_bound timestamptz := (date_trunc('month', stale) + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('aigatewayd log counts')) THEN
        RETURN false;
    END IF;
    LOCK TABLE logs_default IN SHARE ROW EXCLUSIVE MODE;
    IF date_trunc('month', stale)::date IN (SELECT log_months()) THEN
        RETURN false;
    END IF;
    INSERT INTO log_totals AS t
    SELECT account_id, gateway_id, sum(change) FROM (
        SELECT account_id, gateway_id, -rows AS change FROM log_counts WHERE hour >= lower_bound AND hour < upper_bound
        UNION ALL
        SELECT account_id, gateway_id, 1 FROM logs_default WHERE created_at >= lower_bound AND created_at < upper_bound
    ) changes
    GROUP BY 1, 2 HAVING sum(change) <> 0 ORDER BY 1, 2
    ON CONFLICT (account_id, gateway_id) DO UPDATE SET rows = t.rows + excluded.rows;
    DELETE FROM log_counts WHERE hour >= lower_bound AND hour < upper_bound;
    INSERT INTO log_counts
    SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC'), provider, model, model_type, success, cached,
        count(*)
    FROM logs_default WHERE created_at >= lower_bound AND created_at < upper_bound GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    RETURN true;
END
$$;

DROP FUNCTION prune_usage();

-- Deletes up to `piece` rows of each table that are of no use after 62 days: minutes, which nobody may ask for then, and
-- what decides how metadata is counted, since no spool waits so long. Returns how many went.
CREATE FUNCTION prune_usage(piece integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    expiry CONSTANT timestamptz := now() - interval '62 days';
    expired_day CONSTANT date := (expiry AT TIME ZONE 'UTC')::date;
    minutes bigint;
    totals bigint;
    entries bigint;
    keys bigint;
BEGIN
    DELETE FROM usage_minutes
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_minutes WHERE bucket < expiry LIMIT piece));
    GET DIAGNOSTICS minutes = ROW_COUNT;
    DELETE FROM usage_minute_totals
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_minute_totals WHERE bucket < expiry LIMIT piece));
    GET DIAGNOSTICS totals = ROW_COUNT;
    DELETE FROM usage_metadata_values
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_metadata_values WHERE day < expired_day LIMIT piece));
    GET DIAGNOSTICS entries = ROW_COUNT;
    DELETE FROM usage_metadata_keys
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_metadata_keys WHERE day < expired_day LIMIT piece));
    GET DIAGNOSTICS keys = ROW_COUNT;
    RETURN minutes + totals + entries + keys;
END
$$;
