-- Dropping a month holds the log tables for milliseconds, whatever its size: its counts go afterwards, in pieces.

-- Hours are looked for in their order. Cells are updated in place, so that only new ones cost the index anything.
DROP INDEX log_counts_hour;
CREATE INDEX log_counts_hour ON log_counts (hour);

-- Months whose counts are to be made anew, and from which hour on they still have to be.
--
-- Until that is done their counts may be too high, and with them `log_totals`: lists leave these hours out, and no log
-- is trimmed.
CREATE TABLE log_recounts (
    month date PRIMARY KEY,
    hour timestamptz NOT NULL,
    ending timestamptz NOT NULL
);

-- Has the counts of a month made anew by `recount_log_piece`, from its beginning.
CREATE FUNCTION recount_log_month(stale date) RETURNS void LANGUAGE sql AS $$
    INSERT INTO log_recounts
    VALUES (
        date_trunc('month', stale)::date, date_trunc('month', stale)::timestamp AT TIME ZONE 'UTC',
        (date_trunc('month', stale)::timestamp + interval '1 month') AT TIME ZONE 'UTC'
    )
    ON CONFLICT (month) DO UPDATE SET hour = excluded.hour
$$;

DROP FUNCTION recount_default_logs(date);

-- Makes some hours of the counts of a noted month anew, about `piece` cells and rows; false when nothing is left to do,
-- or another node is at it. To be called until then.
--
-- Only who writes to these hours is held back: nobody adds to them without writing to the default partition or to the
-- month's own. The latter is there only when it was made again after it was dropped. Then all writers wait, as they take
-- the parent before the partition. Waits for two seconds; raises lock_not_available then.
CREATE FUNCTION recount_log_piece(piece integer) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    note log_recounts;
    next_hour timestamptz;
    removed log_totals[];
BEGIN
    -- Months are neither made nor dropped meanwhile.
    IF NOT pg_try_advisory_xact_lock(hashtext('aigatewayd log partitions'))
        OR NOT pg_try_advisory_xact_lock(hashtext('aigatewayd log counts'))
    THEN
        RETURN false;
    END IF;
    SELECT * INTO note FROM log_recounts ORDER BY month LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF note.month IN (SELECT log_months()) THEN
        LOCK TABLE ONLY logs IN SHARE ROW EXCLUSIVE MODE;
        EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', 'logs' || to_char(note.month, '"_"YYYYMM'));
    END IF;
    LOCK TABLE logs_default IN SHARE ROW EXCLUSIVE MODE;
    next_hour := least(
        (SELECT hour FROM log_counts WHERE hour >= note.hour AND hour < note.ending ORDER BY hour OFFSET piece LIMIT 1),
        date_trunc('hour', (
            SELECT created_at FROM logs_default WHERE created_at >= note.hour AND created_at < note.ending
            ORDER BY created_at OFFSET piece LIMIT 1
        ), 'UTC'),
        note.ending
    );
    IF next_hour <= note.hour THEN
        next_hour := note.hour + interval '1 hour';
    END IF;
    WITH gone AS (
        DELETE FROM log_counts WHERE hour >= note.hour AND hour < next_hour RETURNING account_id, gateway_id, rows
    )
    SELECT array_agg(ROW(account_id, gateway_id, rows)::log_totals) INTO removed
    FROM (SELECT account_id, gateway_id, sum(rows)::bigint AS rows FROM gone GROUP BY 1, 2) sums;
    INSERT INTO log_counts
    SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC'), provider, model, model_type, success, cached,
        count(*)
    FROM logs WHERE created_at >= note.hour AND created_at < next_hour GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    INSERT INTO log_totals AS t
    SELECT account_id, gateway_id, sum(change) FROM (
        SELECT account_id, gateway_id, -rows AS change FROM unnest(removed)
        UNION ALL
        SELECT account_id, gateway_id, rows FROM log_counts WHERE hour >= note.hour AND hour < next_hour
    ) changes
    GROUP BY 1, 2 HAVING sum(change) <> 0 ORDER BY 1, 2
    ON CONFLICT (account_id, gateway_id) DO UPDATE SET rows = t.rows + excluded.rows;
    IF next_hour >= note.ending THEN
        DELETE FROM log_recounts WHERE month = note.month;
    ELSE
        UPDATE log_recounts SET hour = next_hour WHERE month = note.month;
    END IF;
    RETURN true;
END
$$;

-- The months without a partition whose counts are not those of the default partition, and are not to be made anew yet:
-- their partition was dropped by hand, or the default one was changed past its triggers. None while another node looks.
CREATE OR REPLACE FUNCTION stale_log_months() RETURNS SETOF date LANGUAGE plpgsql AS $$
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
    WHERE month NOT IN (SELECT log_months()) AND month NOT IN (SELECT r.month FROM log_recounts r)
        AND coalesce(c.rows, 0) <> coalesce(d.rows, 0)
    ORDER BY month;
END
$$;

-- Drops one month of logs with its bodies; false when there is no such partition. `remove_dropped_logs` frees the space,
-- `recount_log_piece` takes its counts away.
--
-- Waits no longer than two seconds for those who read or write logs; raises lock_not_available then. Bodies come before
-- rows, as everywhere. Who reads a row before its body is in the way of that: for the second lock it is not waited long
-- with the first in hand, and everything is tried again.
CREATE OR REPLACE FUNCTION drop_log_month(month date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    deadline CONSTANT timestamptz := clock_timestamp() + interval '2 seconds';
    suffix CONSTANT text := to_char(date_trunc('month', month), '"_"YYYYMM');
    doomed text[];
    parent text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('aigatewayd log partitions'));
    doomed := ARRAY(
        SELECT t.parent FROM unnest(ARRAY['log_bodies', 'logs']) WITH ORDINALITY AS t(parent, place)
        WHERE EXISTS (
            SELECT FROM pg_inherits
            WHERE inhparent = t.parent::regclass AND inhrelid = to_regclass(quote_ident(t.parent || suffix))
        )
        ORDER BY t.place
    );
    IF doomed = '{}' THEN
        RETURN false;
    END IF;
    -- Vacuum gives way after a second, in which nobody else has to wait for it. To take a partition away locks the default
    -- one as well.
    LOCK TABLE ONLY log_bodies_default, ONLY logs_default IN SHARE UPDATE EXCLUSIVE MODE;
    FOREACH parent IN ARRAY doomed LOOP
        EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', parent || suffix);
    END LOOP;
    LOOP
        BEGIN
            PERFORM set_config('lock_timeout', greatest(
                100, ceil(extract(epoch FROM deadline - clock_timestamp()) * 1000))::bigint || 'ms', true);
            LOCK TABLE ONLY log_bodies IN ACCESS EXCLUSIVE MODE;
            PERFORM set_config('lock_timeout', '300ms', true);
            LOCK TABLE ONLY logs IN ACCESS EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() >= deadline THEN
                RAISE;
            END IF;
        END;
        PERFORM pg_sleep(0.02);
    END LOOP;
    PERFORM set_config('lock_timeout', '2s', true);
    FOREACH parent IN ARRAY doomed LOOP
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, parent || suffix);
        -- A new partition of the month may be made before the old one's files are gone.
        EXECUTE format(
            'ALTER TABLE %I RENAME TO %I', parent || suffix,
            'dropped_' || parent || suffix || '_' || pg_current_xact_id()::text);
    END LOOP;
    PERFORM recount_log_month(month);
    RETURN true;
END
$$;

-- Deletes up to `piece` rows of each default partition that were made before `before`; returns how many went. Rows go before
-- bodies, as wherever something is deleted. None while a month is made or dropped, which would hold everybody up to wait.
CREATE OR REPLACE FUNCTION delete_default_logs(before timestamptz, piece integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    bodies bigint;
    entries bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('aigatewayd log partitions')) THEN
        RETURN 0;
    END IF;
    DELETE FROM logs_default
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM logs_default WHERE created_at < before ORDER BY created_at LIMIT piece));
    GET DIAGNOSTICS entries = ROW_COUNT;
    DELETE FROM log_bodies_default
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM log_bodies_default WHERE created_at < before ORDER BY created_at LIMIT piece));
    GET DIAGNOSTICS bodies = ROW_COUNT;
    RETURN bodies + entries;
END
$$;

-- Makes the partitions of this month and of `ahead` months after it, bodies first; the number that are new.
CREATE OR REPLACE FUNCTION make_log_partitions(ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    parent text;
    distance integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('aigatewayd log partitions'));
    FOREACH parent IN ARRAY ARRAY['log_bodies', 'logs'] LOOP
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
