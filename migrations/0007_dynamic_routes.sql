-- Dynamic routes: a graph of elements with versions, one of which is deployed.

CREATE TABLE dynamic_routes (
    id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (account_id, gateway_id) REFERENCES gateways (account_id, id) ON DELETE CASCADE,
    UNIQUE (account_id, gateway_id, name)
);

CREATE TABLE dynamic_route_versions (
    id text COLLATE "C" PRIMARY KEY,
    route_id text COLLATE "C" NOT NULL REFERENCES dynamic_routes (id) ON DELETE CASCADE,
    -- Order of creation, where two have the same time.
    number bigint GENERATED ALWAYS AS IDENTITY,
    -- An array, as it was sent: json keeps the order of members and the text of numbers.
    elements json NOT NULL,
    -- Whether the graph can be run; one that cannot is stored all the same.
    is_valid boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dynamic_route_versions_route ON dynamic_route_versions (route_id, number);

-- The newest deployment of a route names the version that is in force.
CREATE TABLE dynamic_route_deployments (
    id text COLLATE "C" PRIMARY KEY,
    route_id text COLLATE "C" NOT NULL REFERENCES dynamic_routes (id) ON DELETE CASCADE,
    version_id text COLLATE "C" NOT NULL REFERENCES dynamic_route_versions (id) ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dynamic_route_deployments_route ON dynamic_route_deployments (route_id, number);
CREATE INDEX dynamic_route_deployments_version ON dynamic_route_deployments (version_id);

CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dynamic_routes
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dynamic_route_versions
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
CREATE TRIGGER raise_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dynamic_route_deployments
    FOR EACH STATEMENT EXECUTE FUNCTION raise_config_version();
