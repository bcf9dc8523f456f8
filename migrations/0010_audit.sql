-- Who changed what: one row per changed object, written in the transaction of the change itself, whoever made it.

CREATE TABLE audit_entries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL DEFAULT gen_random_uuid()::text UNIQUE,
    -- No foreign key: what was done to an account outlives it.
    account_id text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL CHECK (action IN ('create', 'update', 'delete', 'deploy')),
    resource_type text NOT NULL,
    resource_id text NOT NULL,
    -- {"type": "token", "id": …}, {"type": "command"}, {"type": "system"}, or {"type": "sql", "id": <user>}.
    author jsonb NOT NULL,
    old_value jsonb,
    new_value jsonb
);
CREATE INDEX audit_entries_account ON audit_entries (account_id, number);
CREATE INDEX audit_entries_time ON audit_entries (account_id, happened_at);

-- A row as it may be kept: without sealed values and digests, header values of exporters masked.
CREATE FUNCTION audit_view(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(shown -> 'otel') = 'array' THEN
        jsonb_set(shown, '{otel}', (
            SELECT coalesce(jsonb_agg(
                CASE WHEN jsonb_typeof(entry -> 'headers') = 'object' THEN
                    jsonb_set(entry, '{headers}', (
                        SELECT coalesce(jsonb_object_agg(name, '****'), '{}')
                        FROM jsonb_object_keys(entry -> 'headers') AS name
                    ))
                ELSE entry END
            ), '[]') FROM jsonb_array_elements(shown -> 'otel') AS entry
        ))
    ELSE shown END
    FROM (
        SELECT value - '{envelope,headers_envelope,token_hash,cache_epoch,last_used_at,number}'::text[] AS shown
    ) AS hidden
$$;

-- Arguments: type of the resource, the column with its id, the action for which an insertion stands.
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    present jsonb := coalesce(after, before);
    account text := present ->> 'account_id';
    author text := nullif(current_setting('aigatewayd.author', true), '');
    is_sealed_anew boolean := before ->> 'envelope' IS DISTINCT FROM after ->> 'envelope';
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
    IF TG_OP = 'UPDATE' AND is_sealed_anew THEN
        after := after || '{"value_modified": true}';
    END IF;
    INSERT INTO audit_entries (account_id, action, resource_type, resource_id, author, old_value, new_value)
    VALUES (
        account,
        CASE TG_OP WHEN 'INSERT' THEN coalesce(TG_ARGV[2], 'create') WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        TG_ARGV[0], present ->> TG_ARGV[1],
        coalesce(author::jsonb, jsonb_build_object('type', 'sql', 'id', session_user)), before, after
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON gateways
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.gateway', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON provider_configs
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.provider_config', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON custom_providers
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.custom_provider', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON custom_costs
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.custom_cost', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON dynamic_routes
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.dynamic_route', 'id');
CREATE TRIGGER audit AFTER INSERT ON dynamic_route_versions
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.dynamic_route_version', 'id');
CREATE TRIGGER audit AFTER INSERT ON dynamic_route_deployments
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.dynamic_route', 'route_id', 'deploy');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON credit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.credit', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON credit_topup_wishes
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.topup_config', 'account_id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON secret_stores
    FOR EACH ROW EXECUTE FUNCTION audit_change('secrets_store.store', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON secrets
    FOR EACH ROW EXECUTE FUNCTION audit_change('secrets_store.secret', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION audit_change('account.token', 'id');
