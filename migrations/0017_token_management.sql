-- Tokens that the management API makes: parts of permissions, a start, and taking them out of use for a while.
--
-- A deleted token stays as a row with revoked_at, so that the token of the first start does not come back with the next.

ALTER TABLE api_tokens
    ADD COLUMN not_before timestamptz,
    ADD COLUMN disabled boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT api_tokens_permissions_check,
    ADD CONSTRAINT api_tokens_permissions_check CHECK (
        cardinality(permissions) > 0
        AND permissions <@ (
            '{run,read,edit,metadata,gateway-read,gateway-edit,secrets-read,secrets-edit,analytics}'::text[]
        )
    );

DROP TRIGGER raise_version ON api_tokens;
CREATE TRIGGER raise_version
    AFTER INSERT OR DELETE OR TRUNCATE
        OR UPDATE OF id, account_id, name, token_hash, permissions, not_before, expires_at, disabled, revoked_at
        ON api_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();

-- As before, and: a third argument names the action of any change, a deletion leaves no new state, and a token's new
-- value shows as one.
CREATE OR REPLACE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    present jsonb := coalesce(after, before);
    account text := present ->> 'account_id';
    author text := nullif(current_setting('aigatewayd.author', true), '');
    is_value_new boolean := before ->> 'envelope' IS DISTINCT FROM after ->> 'envelope'
        OR before ->> 'token_hash' IS DISTINCT FROM after ->> 'token_hash';
    action text := coalesce(
        TG_ARGV[2], CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END
    );
BEGIN
    IF account IS NULL AND present ? 'store_id' THEN
        SELECT account_id INTO account FROM secret_stores WHERE id = present ->> 'store_id';
    ELSIF account IS NULL AND present ? 'route_id' THEN
        SELECT account_id INTO account FROM dynamic_routes WHERE id = present ->> 'route_id';
    END IF;
    before := audit_view(before);
    after := audit_view(after);
    -- Sealing under another master key, or noting a last use, changes nothing that is shown.
    IF account IS NULL OR before = after THEN RETURN NULL; END IF;
    IF TG_OP = 'UPDATE' AND is_value_new THEN
        after := after || '{"value_modified": true}';
    END IF;
    IF action = 'delete' THEN after := NULL; END IF;
    INSERT INTO audit_entries (account_id, action, resource_type, resource_id, author, old_value, new_value)
    VALUES (
        account, action, TG_ARGV[0], present ->> TG_ARGV[1],
        coalesce(author::jsonb, jsonb_build_object('type', 'sql', 'id', session_user)), before, after
    );
    RETURN NULL;
END
$$;

DROP TRIGGER audit ON api_tokens;
CREATE TRIGGER audit AFTER INSERT OR DELETE ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION audit_change('account.token', 'id');
CREATE TRIGGER audit_update AFTER UPDATE ON api_tokens
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL)
    EXECUTE FUNCTION audit_change('account.token', 'id');
CREATE TRIGGER audit_revocation AFTER UPDATE ON api_tokens
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION audit_change('account.token', 'id', 'delete');
