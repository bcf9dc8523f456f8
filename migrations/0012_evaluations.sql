-- Datasets are saved selections of a gateway's log; evaluations measure what they select, once.

CREATE TABLE datasets (
    id text COLLATE "C" PRIMARY KEY DEFAULT gen_random_uuid()::text,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    enable boolean NOT NULL,
    -- As the API has them: an array of objects with key, operator and value.
    filters jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (account_id, gateway_id) REFERENCES gateways (account_id, id) ON DELETE CASCADE,
    UNIQUE (account_id, gateway_id, name)
);

CREATE TABLE evaluation_types (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    -- What is measured: `cost`, `speed` or `human_feedback`; results of others are errors.
    type text NOT NULL,
    description text NOT NULL,
    enable boolean NOT NULL DEFAULT true,
    -- Part of every evaluation, asked for or not.
    mandatory boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO evaluation_types (id, name, type, description, mandatory) VALUES
    ('6a0f1f0e-5d3b-4c57-9d0a-0d3f5a9b1c01', 'Cost', 'cost',
        'Average cost in US dollars of the logs that have a cost', true),
    ('6a0f1f0e-5d3b-4c57-9d0a-0d3f5a9b1c02', 'Speed', 'speed', 'Average duration of the logs in milliseconds', true),
    ('6a0f1f0e-5d3b-4c57-9d0a-0d3f5a9b1c03', 'Human feedback', 'human_feedback',
        'Share of thumbs up among the logs that were rated, from 0 to 1', false);

CREATE TABLE evaluations (
    id text COLLATE "C" PRIMARY KEY DEFAULT gen_random_uuid()::text,
    account_id text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    processed boolean NOT NULL DEFAULT false,
    total_logs bigint NOT NULL DEFAULT 0,
    -- The datasets as they were when the evaluation was asked for.
    datasets jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (account_id, gateway_id) REFERENCES gateways (account_id, id) ON DELETE CASCADE,
    UNIQUE (account_id, gateway_id, name)
);
CREATE INDEX evaluations_pending ON evaluations (created_at) WHERE NOT processed;

CREATE TABLE evaluation_results (
    id text COLLATE "C" PRIMARY KEY DEFAULT gen_random_uuid()::text,
    evaluation_id text COLLATE "C" NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
    evaluation_type_id text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    -- A number as text; empty until there is one.
    result text NOT NULL DEFAULT '',
    -- 0: waits, 2: completed, 3: failed.
    status integer NOT NULL DEFAULT 0,
    status_description text NOT NULL DEFAULT 'pending',
    -- Logs that had what was measured.
    total_logs bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (evaluation_id, position)
);
