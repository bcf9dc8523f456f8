-- Which readings of files of declarations were applied, and a version that rises once for each transaction.

-- A supervisor reads its file at the start and at SIGHUP; each such reading is applied once, however often control starts
-- from it. One that is older than what was applied last, by any node, is not applied any more.
CREATE TABLE declaration_readings (
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- Microseconds since 1970 by the clock of the node that read: with the digest, the name of the reading.
    reading bigint NOT NULL,
    -- SHA-256 of the file.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- The same moment by the clock of this server, which puts the readings of several nodes in order.
    read_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('applied', 'refused')),
    -- Its name on that node.
    file text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, reading, digest)
);
CREATE INDEX declaration_readings_order ON declaration_readings (account_id, read_at DESC);

-- The first change of a transaction raises the version and holds its row to the end, so that the later ones belong to the
-- same version: nobody else can raise it in between, and nobody sees it before all of them. Without a second UPDATE a
-- transaction of many changes does not pile up versions of the row, which each one would have to pass.
CREATE OR REPLACE FUNCTION raise_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present text := pg_current_xact_id()::text;
    raised bigint;
BEGIN
    -- Undone with the raise when that was within a subtransaction that is undone.
    IF current_setting('aigatewayd.version_raised_by', true) = present THEN RETURN NULL; END IF;
    UPDATE config_version SET version = version + 1, changed_at = now() RETURNING version INTO raised;
    PERFORM pg_notify('aigatewayd_config', raised::text);
    PERFORM set_config('aigatewayd.version_raised_by', present, true);
    RETURN NULL;
END
$$;
