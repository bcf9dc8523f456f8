-- Datasets, evaluations and Logpush jobs are audited like everything else that is managed.

CREATE OR REPLACE FUNCTION audit_view(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
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
        SELECT value - (
            '{envelope,headers_envelope,destination_envelope,token_hash,cache_epoch,last_used_at,number,'
            'last_complete,last_error,error_message}'
        )::text[] AS shown
    ) AS hidden
$$;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON datasets
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.dataset', 'id');
-- What an evaluation finds is no change by anybody.
CREATE TRIGGER audit AFTER INSERT OR DELETE ON evaluations
    FOR EACH ROW EXECUTE FUNCTION audit_change('ai_gateway.evaluation', 'id');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON logpush_jobs
    FOR EACH ROW EXECUTE FUNCTION audit_change('logpush.job', 'id');
