-- What an account says that models of its own providers cost.

CREATE TABLE custom_costs (
    id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    provider_id text COLLATE "C" NOT NULL REFERENCES custom_providers (id) ON DELETE CASCADE,
    model text NOT NULL,
    model_rule text NOT NULL DEFAULT 'equals' CHECK (model_rule IN ('equals', 'starts-with', 'contains')),
    -- US dollars per token.
    cost_in numeric CHECK (cost_in BETWEEN 0 AND 1),
    cost_out numeric CHECK (cost_out BETWEEN 0 AND 1),
    cost_type text NOT NULL DEFAULT 'tokens',
    -- US dollars per token of a kind, or per image; it goes before cost_in and cost_out.
    token_pricing json,
    enable boolean NOT NULL DEFAULT true,
    -- Of several that fit a model, the one with the highest counts.
    weight bigint,
    changed_by text NOT NULL DEFAULT 'manual',
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX custom_costs_provider ON custom_costs (account_id, provider_id);

CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON custom_costs
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
