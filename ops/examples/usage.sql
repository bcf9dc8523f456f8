-- Reports over schema `usage`. Run one as it stands:
--
--     psql "$POSTGRES_URL" -f ops/examples/usage.sql
--
-- All of it can be run by a role that has nothing but `GRANT aigatewayd_reader TO …`. Times are UTC.

\pset null '-'

\echo 'This month, by model: requests, dollars, tokens'
SELECT provider, model, sum(requests) AS requests, sum(cost) AS dollars, sum(unpriced_requests) AS without_price,
    sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out
FROM usage.by_day
WHERE day >= date_trunc('month', now() AT TIME ZONE 'UTC')
GROUP BY provider, model ORDER BY dollars DESC NULLS LAST;

\echo 'The last 30 days, by day: requests, errors, share answered by the cache'
SELECT day, sum(requests) AS requests, sum(requests) FILTER (WHERE NOT success) AS errors,
    round(100.0 * coalesce(sum(requests) FILTER (WHERE cached), 0) / sum(requests), 1) AS percent_cached, sum(cost) AS dollars
FROM usage.by_day
WHERE day > (now() AT TIME ZONE 'UTC')::date - 30
GROUP BY day ORDER BY day;

\echo 'The last hour, by minute: requests, errors, dollars'
SELECT minute, sum(requests) AS requests, coalesce(sum(requests) FILTER (WHERE NOT success), 0) AS errors, sum(cost) AS dollars
FROM usage.totals_by_minute
WHERE minute > now() - interval '1 hour'
GROUP BY minute ORDER BY minute;

\echo 'The last day, by hour, gateway and class of status'
SELECT hour, gateway_id, status_class, sum(requests) AS requests
FROM usage.by_hour
WHERE hour > now() - interval '1 day'
GROUP BY hour, gateway_id, status_class ORDER BY hour, gateway_id, status_class;

\echo 'Dollars of this month, by stored key'
SELECT gateway_id, provider, key_alias, sum(cost) AS dollars, sum(requests) AS requests
FROM usage.by_day
WHERE day >= date_trunc('month', now() AT TIME ZONE 'UTC')
GROUP BY gateway_id, provider, key_alias ORDER BY dollars DESC NULLS LAST;

\echo 'The last 7 days, by the metadata key "team"'
SELECT coalesce(value, '(others)') AS team, sum(requests) AS requests, sum(cost) AS dollars, sum(errors) AS errors
FROM usage.metadata_by_day
WHERE key = 'team' AND day > (now() AT TIME ZONE 'UTC')::date - 7
GROUP BY value ORDER BY dollars DESC NULLS LAST;

\echo 'Median and 95th percentile of the last day in milliseconds, by model (to a tenth of their size)'
WITH classes AS (
    SELECT model, to_ms, sum(requests) AS requests FROM usage.durations_by_hour
    WHERE hour > now() - interval '1 day' AND NOT cached
    GROUP BY model, to_ms
), cumulative AS (
    SELECT model, to_ms, sum(requests) OVER (PARTITION BY model ORDER BY to_ms) AS below,
        sum(requests) OVER (PARTITION BY model) AS total
    FROM classes
)
SELECT model, max(total) AS requests, round(min(to_ms) FILTER (WHERE below >= 0.5 * total)) AS p50,
    round(min(to_ms) FILTER (WHERE below >= 0.95 * total)) AS p95
FROM cumulative GROUP BY model ORDER BY requests DESC;
