-- A secret that was duplicated names the one that it was made from; the rest is as before.

CREATE OR REPLACE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    present jsonb := coalesce(after, before);
    account text := present ->> 'account_id';
    author text := nullif(current_setting('aigatewayd.author', true), '');
    original text := nullif(current_setting('aigatewayd.duplicated_from', true), '');
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
    ELSIF TG_OP = 'INSERT' AND TG_ARGV[0] = 'secrets_store.secret' AND original IS NOT NULL THEN
        after := after || jsonb_build_object('duplicated_from_id', original);
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
