-- The dossiers: one project per retrofit, its filed plans, its runs, the evidence log, and who may read what.
-- Everything that is evidence is written once: a trigger refuses to change or delete it, whoever asks.

CREATE FUNCTION dossier.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: file a new version instead', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END
$$;

CREATE TABLE dossier.project (
    id         text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    enterprise text NOT NULL CHECK (enterprise <> ''),
    title_en   text NOT NULL CHECK (title_en <> ''),
    title_zh   text NOT NULL CHECK (title_zh <> ''),
    device     text NOT NULL,  -- the edge agent whose readings the project uses
    created_at timestamptz NOT NULL
);

-- The Merkle log's leaves. `index` counts 0, 1, 2 without a hole; the bytes are what the leaf hash is made of.
CREATE TABLE dossier.log_entry (
    index     bigint PRIMARY KEY CHECK (index >= 0),
    bytes     bytea NOT NULL,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    logged_at timestamptz NOT NULL
);

-- Checkpoints already signed. The next one is signed only if the stored leaves still lead to the last.
CREATE TABLE dossier.checkpoint (
    size      bigint PRIMARY KEY CHECK (size > 0),
    note      bytea NOT NULL,
    signed_at timestamptz NOT NULL
);

-- A project's plans as filed, byte for byte. A second plan is version 2 beside version 1, never in its place.
CREATE TABLE dossier.plan (
    project        text NOT NULL REFERENCES dossier.project,
    version        int NOT NULL CHECK (version > 0),
    sha256         bytea NOT NULL CHECK (octet_length(sha256) = 32),
    bytes          bytea NOT NULL,
    locked_at      timestamptz NOT NULL,
    plan_index     bigint NOT NULL UNIQUE REFERENCES dossier.log_entry,
    baseline_index bigint NOT NULL UNIQUE REFERENCES dossier.log_entry,
    findings       bytea NOT NULL,  -- what stood out in the baseline when the plan was locked, as JSON
    PRIMARY KEY (project, version),
    UNIQUE (project, sha256),
    CHECK (plan_index < baseline_index)
);

-- Every run against a plan: k counts those against one version, so that the third cannot pass for the first.
CREATE TABLE dossier.run (
    project         text NOT NULL,
    number          int NOT NULL CHECK (number > 0),  -- counts the project's runs
    plan_version    int NOT NULL,
    k               int NOT NULL CHECK (k > 0),
    started_at      timestamptz NOT NULL,
    finished_at     timestamptz NOT NULL,
    started_by      text NOT NULL,
    verdict         text NOT NULL,
    result          bytea NOT NULL,
    manifest_sha256 bytea NOT NULL CHECK (octet_length(manifest_sha256) = 32),
    log_index       bigint NOT NULL UNIQUE REFERENCES dossier.log_entry,
    package         bytea NOT NULL,  -- the evidence package, zipped the same way every time
    PRIMARY KEY (project, number),
    UNIQUE (project, plan_version, k),
    FOREIGN KEY (project, plan_version) REFERENCES dossier.plan
);
ALTER TABLE dossier.run ALTER COLUMN package SET STORAGE EXTERNAL;  -- zipped already

-- Access tokens: only their hashes, so that a copy of this table opens nothing.
CREATE TABLE dossier.token (
    sha256     bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    role       text NOT NULL CHECK (role IN ('enterprise', 'expert', 'auditor', 'operator')),
    subject    text NOT NULL CHECK (subject <> ''),
    enterprise text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((role = 'enterprise') = (enterprise IS NOT NULL))
);

-- Browser sessions: each leans on a token and ends with it.
CREATE TABLE dossier.session (
    sha256     bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    token      bytea NOT NULL REFERENCES dossier.token,
    expires_at timestamptz NOT NULL
);

CREATE TRIGGER log_entry_is_append_only BEFORE UPDATE OR DELETE ON dossier.log_entry
    FOR EACH ROW EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER log_entry_keeps_its_rows BEFORE TRUNCATE ON dossier.log_entry
    FOR EACH STATEMENT EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER checkpoint_is_append_only BEFORE UPDATE OR DELETE ON dossier.checkpoint
    FOR EACH ROW EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER checkpoint_keeps_its_rows BEFORE TRUNCATE ON dossier.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER plan_is_append_only BEFORE UPDATE OR DELETE ON dossier.plan
    FOR EACH ROW EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER plan_keeps_its_rows BEFORE TRUNCATE ON dossier.plan
    FOR EACH STATEMENT EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER run_is_append_only BEFORE UPDATE OR DELETE ON dossier.run
    FOR EACH ROW EXECUTE FUNCTION dossier.refuse_change();
CREATE TRIGGER run_keeps_its_rows BEFORE TRUNCATE ON dossier.run
    FOR EACH STATEMENT EXECUTE FUNCTION dossier.refuse_change();
