-- A deletion or an evaluation that fails stands back for a while, longer each time, and holds up no other.

ALTER TABLE log_deletions ADD COLUMN attempts integer NOT NULL DEFAULT 0;

-- Of evaluations that were tried and are not done.
CREATE TABLE evaluation_delays (
    evaluation_id text COLLATE "C" PRIMARY KEY REFERENCES evaluations (id) ON DELETE CASCADE,
    attempts integer NOT NULL,
    not_before timestamptz NOT NULL
);

-- How long something waits that has failed `attempts` times: 10 seconds, then twice as long each time, up to an hour.
CREATE FUNCTION postponement(attempts integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN least(interval '10 seconds' * power(2, least(greatest(attempts, 1), 20) - 1), interval '1 hour');
