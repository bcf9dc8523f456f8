-- Providers that accounts define themselves, and cache epochs that never repeat.

-- One sequence for everything that has an epoch: what is deleted and made again under its old name gets a new one, so
-- the answers that were stored before stay forgotten.
CREATE SEQUENCE cache_epochs;

ALTER TABLE gateways ALTER COLUMN cache_epoch SET DEFAULT nextval('cache_epochs');
-- Above every epoch that was given before.
SELECT setval('cache_epochs', (SELECT coalesce(max(cache_epoch), 0) + 1 FROM gateways));

-- Names, nulls and defaults are those of the management API's custom provider object.
CREATE TABLE custom_providers (
    id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- Without the `custom-` that stands before it in URLs.
    slug text COLLATE "C" NOT NULL CHECK (slug ~ '^[A-Za-z0-9-]{1,64}$'),
    base_url text NOT NULL,
    enable boolean NOT NULL DEFAULT false,
    beta boolean NOT NULL DEFAULT false,
    description text,
    link text,
    curl_example text,
    js_example text,
    logo text,
    position bigint,
    -- The sealed text of a JSON object: header fields that go with every call, which may hold credentials.
    headers_envelope bytea,
    -- What may be shown of it: the fields' names.
    headers_preview text,
    -- Part of the cache keys of this provider's answers.
    cache_epoch bigint NOT NULL DEFAULT nextval('cache_epochs'),
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, slug)
);

-- A change makes the provider's stored answers unusable, whoever made it; sealing its headers under another key is
-- none. The management API writes all columns at once.
CREATE FUNCTION raise_cache_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.cache_epoch := nextval('cache_epochs');
    RETURN NEW;
END
$$;
CREATE TRIGGER raise_epoch BEFORE UPDATE OF account_id, slug, base_url, enable ON custom_providers
    FOR EACH ROW EXECUTE FUNCTION raise_cache_epoch();

CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON custom_providers
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
