-- The credit that the operator gives to accounts in advance. Amounts are US cents; nothing is ever charged to a card.

CREATE TABLE credit_entries (
    id text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- Order of creation.
    number bigint GENERATED ALWAYS AS IDENTITY,
    -- Negative when credit is taken back.
    amount_cents bigint NOT NULL CHECK (amount_cents <> 0 AND abs(amount_cents) <= 1000000000000),
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX credit_entries_account ON credit_entries (account_id, number);

-- When an account wants its credit raised, for whoever raises it.
CREATE TABLE credit_topup_wishes (
    account_id text COLLATE "C" PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    threshold_cents bigint NOT NULL CHECK (threshold_cents > 0),
    modified_at timestamptz NOT NULL DEFAULT now()
);
