-- Secrets that point outside, secrets that belong to one provider config, and configs that outlive their secret.

-- 'reference': the sealed text names where the value is found (env:, file:, vault:); control looks it up.
ALTER TABLE secrets ADD COLUMN kind text NOT NULL DEFAULT 'value' CHECK (kind IN ('value', 'reference'));

-- Made for a provider config and deleted with it.
ALTER TABLE secrets ADD COLUMN owned boolean NOT NULL DEFAULT false;
UPDATE secrets SET owned = true WHERE comment = 'Made for a provider config';

-- A config whose secret was deleted stays, and its calls are refused, instead of going out without a key.
ALTER TABLE provider_configs DROP CONSTRAINT provider_configs_secret_id_fkey;
