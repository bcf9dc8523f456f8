-- Accounts, tokens, gateways, secrets and provider configs, and the version of their sum.
--
-- Every statement that changes configuration raises config_version and notifies `aigatewayd_config`, so a change made
-- by the management API, by another node or by hand with psql reaches the data plane the same way.

CREATE TABLE config_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO config_version (version) VALUES (1);

-- The row lock orders writers: a reader that sees version v sees every change up to v and none after it.
CREATE FUNCTION raise_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    raised bigint;
BEGIN
    UPDATE config_version SET version = version + 1, changed_at = now() RETURNING version INTO raised;
    PERFORM pg_notify('aigatewayd_config', raised::text);
    RETURN NULL;
END
$$;

CREATE TABLE accounts (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_tokens (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name text NOT NULL DEFAULT '',
    -- SHA-256 of the token's text; the token itself is stored nowhere.
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    permissions text[] NOT NULL CHECK (cardinality(permissions) > 0 AND permissions <@ '{run,read,edit}'::text[]),
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_tokens_account ON api_tokens (account_id, created_at);

CREATE TABLE secret_stores (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name)
);

CREATE TABLE secrets (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    store_id text COLLATE "C" NOT NULL REFERENCES secret_stores (id) ON DELETE CASCADE,
    name text NOT NULL,
    comment text,
    scopes text[] NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('pending', 'active', 'deleted')),
    -- The sealed value; only the holders of the master key can open it.
    envelope bytea NOT NULL,
    -- A masked tail for display.
    preview text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (store_id, name)
);

-- Names, nulls and defaults are those of the management API's gateway object.
CREATE TABLE gateways (
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL CHECK (id ~ '^[a-z0-9_]+(-[a-z0-9_]+)*$' AND length(id) <= 64),
    cache_invalidate_on_update boolean NOT NULL,
    cache_ttl bigint,
    collect_logs boolean NOT NULL,
    rate_limiting_interval bigint,
    rate_limiting_limit bigint,
    rate_limiting_technique text DEFAULT 'fixed' CHECK (rate_limiting_technique IN ('fixed', 'sliding')),
    authentication boolean NOT NULL DEFAULT false,
    byok_only boolean NOT NULL DEFAULT false,
    log_management bigint DEFAULT 100000,
    log_management_strategy text DEFAULT 'STOP_INSERTING'
        CHECK (log_management_strategy IN ('STOP_INSERTING', 'DELETE_OLDEST')),
    log_classification boolean NOT NULL DEFAULT false,
    logpush boolean NOT NULL DEFAULT false,
    logpush_public_key text,
    retry_max_attempts integer,
    retry_delay integer,
    retry_backoff text CHECK (retry_backoff IN ('constant', 'linear', 'exponential')),
    dlp jsonb,
    guardrails jsonb,
    otel jsonb,
    spend_limits jsonb,
    stripe jsonb,
    store_id text DEFAULT '',
    workers_ai_billing_mode text NOT NULL DEFAULT 'postpaid'
        CHECK (workers_ai_billing_mode IN ('postpaid', 'unified')),
    zdr boolean NOT NULL DEFAULT false,
    -- Part of every cache key; raised when stored answers must be forgotten.
    cache_epoch bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id)
);

CREATE TABLE provider_configs (
    id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    provider_slug text NOT NULL,
    alias text NOT NULL,
    default_config boolean NOT NULL,
    secret_id text COLLATE "C" NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    secret_preview text NOT NULL DEFAULT '',
    rate_limit bigint,
    rate_limit_period bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (account_id, gateway_id) REFERENCES gateways (account_id, id) ON DELETE CASCADE,
    UNIQUE (account_id, gateway_id, provider_slug, alias)
);
CREATE INDEX provider_configs_secret ON provider_configs (secret_id);
CREATE UNIQUE INDEX provider_configs_one_default
    ON provider_configs (account_id, gateway_id, provider_slug) WHERE default_config;

CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gateways
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON secret_stores
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON secrets
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON provider_configs
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
-- When a token was last used is no configuration.
CREATE TRIGGER raise_version
    AFTER INSERT OR DELETE OR TRUNCATE
        OR UPDATE OF id, account_id, name, token_hash, permissions, expires_at, revoked_at ON api_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
