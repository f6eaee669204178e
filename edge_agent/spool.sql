-- The spool: everything that the agent must still know after a power cut. One file, one writer, SQLite in WAL mode.

-- name: pragmas
-- FULL makes every commit durable before it returns: a source is acknowledged on the strength of it.
-- Incremental, so that a file that has drained can give its room back to a full disk.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 16777216;
PRAGMA foreign_keys = ON;

-- name: give_room_back
PRAGMA incremental_vacuum(1000);

-- name: fold_log
PRAGMA wal_checkpoint(TRUNCATE);

-- name: schema
-- Who this spool is, and where its chain of batches stands. There is exactly one row.
CREATE TABLE identity (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    device TEXT NOT NULL,
    epoch INTEGER NOT NULL,          -- microseconds since 1970 at which this spool was made
    next_sequence INTEGER NOT NULL,
    previous BLOB NOT NULL,          -- SHA-256 of the last sealed batch
    dropped INTEGER NOT NULL,        -- since the last sealed batch
    filtered INTEGER NOT NULL        -- since the last sealed batch
) STRICT;

-- The catalogue of this epoch. An index is never given twice, also not after the configuration changed.
CREATE TABLE point (
    idx INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    unit TEXT NOT NULL,
    kind TEXT NOT NULL,
    meter TEXT NOT NULL
) STRICT;

-- How far each point has been read. A source resumes from here, so it changes in the transaction that keeps the rows.
CREATE TABLE point_state (
    idx INTEGER PRIMARY KEY REFERENCES point,
    time_us INTEGER NOT NULL,        -- the latest source time
    count INTEGER NOT NULL,          -- rows at exactly that time: a source may give several
    row_time_us INTEGER NOT NULL,    -- source time of the row that came last
    value_bits INTEGER NOT NULL,     -- its value, as the 64 bits of a double: SQLite would turn NaN into NULL
    row_status INTEGER NOT NULL DEFAULT 0  -- and its status
) STRICT;

-- Readings that are durable but not yet sealed, in the order in which they came; a chunk is never split.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    taken_us INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Losses that are known but not yet sealed. A point of NULL stands for every point of the catalogue.
CREATE TABLE open_gap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    point INTEGER REFERENCES point,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER
) STRICT;

-- Sealed batches that ingest has not acknowledged, byte for byte; those of older epochs were saved from a broken spool.
CREATE TABLE batch (
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    sealed_us INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (epoch, sequence)
) STRICT;

-- The last acknowledged batch of each epoch; -1 where ingest has refused batches of it and settled none.
CREATE TABLE settled (
    epoch INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;

-- Messages that a device may send again: their correlation, written in the transaction that keeps their rows.
CREATE TABLE receipt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    correlation BLOB NOT NULL,
    UNIQUE (topic, correlation)
) STRICT;

-- Batches that ingest put into quarantine, and those of an older epoch that lie behind a lost one, which ingest can
-- therefore never acknowledge. Kept whole until the bound pushes the oldest out.
CREATE TABLE refused (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    code TEXT NOT NULL,
    refused_us INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- name: schema_signing
-- The key in use, and how it came to be so. A spool of an earlier release lacks this table, so it is made at every
-- opening. change_*: the batch that named the key, NULL for the first key. There is exactly one row.
CREATE TABLE IF NOT EXISTS signing (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    key_id BLOB NOT NULL,
    since_us INTEGER NOT NULL,       -- nothing is signed with it as of an earlier moment
    latest_us INTEGER NOT NULL,      -- the latest moment as of which anything was signed
    change_epoch INTEGER,
    change_sequence INTEGER
) STRICT;

-- What may go out. Nothing behind a change of key does before the change is settled: ingest would not know the key.
CREATE VIEW IF NOT EXISTS sendable AS
SELECT * FROM batch WHERE NOT EXISTS (
    SELECT 1 FROM signing AS s JOIN batch AS b ON b.epoch = s.change_epoch AND b.sequence = s.change_sequence
    WHERE batch.epoch = s.change_epoch AND batch.sequence > s.change_sequence
);

-- name: first_signing
INSERT OR IGNORE INTO signing
SELECT 1, :key_id, 0, coalesce(max(sealed_us), 0), NULL, NULL FROM batch;

-- name: select_signing
SELECT key_id, since_us, latest_us FROM signing;

-- name: note_signing
UPDATE signing SET latest_us = max(latest_us, :signed_at_us);

-- name: change_signing
UPDATE signing
SET key_id = :key_id, since_us = :since_us, change_epoch = :epoch, change_sequence = :sequence;

-- name: count_unsettled_changes
SELECT count(*) FROM signing AS s JOIN batch AS b ON b.epoch = s.change_epoch AND b.sequence = s.change_sequence;

-- name: schema_files
-- Files that were read, so that no source reads one twice, whatever its name. Not carried over from a broken spool:
-- whoever drops a file again after a loss must be heard.
CREATE TABLE IF NOT EXISTS file_taken (
    source TEXT NOT NULL,            -- empty for what an earlier release has read: it counts for every source
    sha256 BLOB NOT NULL,
    read_us INTEGER NOT NULL,
    PRIMARY KEY (source, sha256)
) STRICT;

-- name: has_file_read
SELECT 1 FROM sqlite_schema WHERE name = 'file_read';

-- name: adopt_file_read
-- An earlier release did not say which source had read a file.
BEGIN IMMEDIATE;
INSERT INTO file_taken SELECT '', sha256, read_us FROM file_read;
DROP TABLE file_read;
COMMIT;

-- name: select_file
SELECT 1 FROM file_taken WHERE source IN (:source, '') AND sha256 = :sha256;

-- name: insert_file
INSERT INTO file_taken VALUES (:source, :sha256, :read_us);

-- name: session_tables
-- Made at every start, since a spool of an earlier release has none.
-- What a source needs to take up its session with a server again, after a cut or after the agent's own end.
CREATE TABLE IF NOT EXISTS session (
    source TEXT PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- The last message of each subscription of that session that is in the spool. It changes in the transaction that keeps
-- the message's rows, so that what the server sends again is known.
CREATE TABLE IF NOT EXISTS taken (
    source TEXT NOT NULL,
    subscription INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (source, subscription)
) STRICT;

-- The URI of the namespace whose index a node of a source names, as it was when the node was first monitored. Outlives
-- the sessions: a server that restarts may give the index to another namespace.
CREATE TABLE IF NOT EXISTS namespace (
    source TEXT NOT NULL,
    node TEXT NOT NULL,              -- as the configuration names it
    uri TEXT NOT NULL,
    PRIMARY KEY (source, node)
) STRICT;

-- name: add_row_status
-- For a spool of an earlier release; its last rows count as good ones.
ALTER TABLE point_state ADD COLUMN row_status INTEGER NOT NULL DEFAULT 0;

-- name: has_row_status
SELECT 1 FROM pragma_table_info('point_state') WHERE name = 'row_status';

-- name: insert_identity
INSERT INTO identity VALUES (1, :device, :epoch, 0, zeroblob(32), 0, 0);

-- name: select_identity
SELECT device, epoch, next_sequence, previous, dropped, filtered FROM identity;

-- name: advance_identity
UPDATE identity SET next_sequence = next_sequence + 1, previous = :previous, dropped = 0, filtered = 0;

-- name: count_losses
UPDATE identity SET dropped = dropped + :dropped, filtered = filtered + :filtered;

-- name: select_points
SELECT idx, name, address, unit, kind, meter FROM point ORDER BY idx;

-- name: insert_point
INSERT INTO point VALUES (:idx, :name, :address, :unit, :kind, :meter);

-- name: inherit_state
-- A point whose unit or meter changed gets a new index and goes on reading where its address was left.
INSERT INTO point_state
SELECT :idx, s.time_us, s.count, s.row_time_us, s.value_bits, s.row_status
FROM point_state AS s JOIN point AS p USING (idx)
WHERE p.name = :name AND p.address = :address
ORDER BY idx DESC LIMIT 1;

-- name: select_states
SELECT idx, time_us, count, row_time_us, value_bits, row_status FROM point_state;

-- name: upsert_state
INSERT INTO point_state VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (idx) DO UPDATE SET
    time_us = excluded.time_us, count = excluded.count,
    row_time_us = excluded.row_time_us, value_bits = excluded.value_bits, row_status = excluded.row_status;

-- name: insert_chunk
INSERT INTO chunk (taken_us, row_count, data) VALUES (?, ?, ?);

-- name: select_chunks
SELECT id, taken_us, row_count, data FROM chunk ORDER BY id LIMIT :most;

-- name: delete_chunks
DELETE FROM chunk WHERE id <= :last;

-- name: select_chunk_totals
SELECT count(*), coalesce(sum(row_count), 0), coalesce(sum(length(data)), 0) FROM chunk;

-- name: insert_gap
INSERT INTO open_gap (point, start_us, end_us, reason, count) VALUES (:point, :start_us, :end_us, :reason, :count);

-- name: widen_gap
UPDATE open_gap
SET start_us = min(start_us, :start_us), end_us = max(end_us, :end_us), count = count + :count
WHERE point = :point AND reason = :reason;

-- name: select_gaps
SELECT id, point, start_us, end_us, reason, count FROM open_gap ORDER BY id LIMIT :most;

-- name: delete_gaps
DELETE FROM open_gap WHERE id <= :last;

-- name: count_gaps
SELECT count(*) FROM open_gap;

-- name: insert_batch
INSERT INTO batch VALUES (:epoch, :sequence, :sealed_us, :sha256, :data);

-- name: select_batch_totals
SELECT count(*), coalesce(sum(length(data)), 0) FROM batch;

-- name: select_oldest_batch
SELECT sealed_us FROM batch ORDER BY epoch, sequence LIMIT 1;

-- name: select_pending
SELECT epoch, sequence, sha256, data FROM batch
WHERE (epoch, sequence) > (:epoch, :sequence) ORDER BY epoch, sequence LIMIT :most;

-- name: select_newest
SELECT epoch, sequence, sha256, data, sealed_us FROM sendable
WHERE epoch = :epoch AND sequence > :sequence ORDER BY sequence DESC LIMIT :most;

-- name: select_sendable
-- A newer epoch waits until ingest has said something of every older one: it takes no epoch that it first hears of after
-- a newer one.
SELECT epoch, sequence, sha256, data FROM sendable
WHERE (epoch, sequence) > (:epoch, :sequence)
  AND epoch <= (SELECT coalesce(min(epoch), 9223372036854775807) FROM batch WHERE epoch NOT IN (SELECT epoch FROM settled))
ORDER BY epoch, sequence LIMIT :most;

-- name: select_epochs
SELECT DISTINCT epoch FROM batch ORDER BY epoch;

-- name: select_hash
SELECT sha256 FROM batch WHERE epoch = :epoch AND sequence = :sequence
UNION ALL
SELECT sha256 FROM settled WHERE epoch = :epoch AND sequence = :sequence;

-- name: select_settling
SELECT count(*), coalesce(sum(length(data)), 0) FROM batch WHERE epoch = :epoch AND sequence <= :through;

-- name: select_slice_ends
-- Where to cut what an acknowledgement settles, so that no transaction deletes more than :most batches.
SELECT sequence, sha256 FROM (
    SELECT sequence, sha256, row_number() OVER (ORDER BY sequence) AS place
    FROM batch WHERE epoch = :epoch AND sequence < :through
) WHERE place % :most = 0 ORDER BY sequence;

-- name: delete_settled
DELETE FROM batch WHERE epoch = :epoch AND sequence <= :through;

-- name: select_settled
SELECT epoch, sequence, sha256 FROM settled;

-- name: upsert_settled
INSERT INTO settled VALUES (:epoch, :through, :sha256)
ON CONFLICT (epoch) DO UPDATE SET sequence = excluded.sequence, sha256 = excluded.sha256
WHERE excluded.sequence > settled.sequence;

-- name: keep_refused
INSERT INTO refused (epoch, sequence, sha256, code, refused_us, data)
SELECT epoch, sequence, sha256, :code, :refused_us, data FROM batch WHERE epoch = :epoch AND sequence = :sequence;

-- name: select_hole
-- The first batch left of an epoch, if it does not follow the last acknowledged one.
SELECT min(sequence) AS first FROM batch WHERE epoch = :epoch
HAVING first > 1 + coalesce((SELECT max(:through, sequence) FROM settled WHERE epoch = :epoch), :through);

-- name: keep_unreachable
INSERT INTO refused (epoch, sequence, sha256, code, refused_us, data)
SELECT epoch, sequence, sha256, :code, :refused_us, data FROM batch WHERE epoch = :epoch ORDER BY sequence;

-- name: trim_refused
-- Keeps the newest ones, bounded in number and in bytes.
DELETE FROM refused WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER newest AS place, sum(length(data)) OVER newest AS bytes
        FROM refused WINDOW newest AS (ORDER BY id DESC)
    ) WHERE place > :most_rows OR bytes > :most_bytes
);

-- name: select_refused
SELECT epoch, sequence, code, refused_us FROM refused ORDER BY id DESC LIMIT :most;

-- name: count_refused
SELECT count(*) FROM refused;

-- name: insert_receipt
INSERT OR IGNORE INTO receipt (topic, correlation) VALUES (?, ?);

-- name: select_receipt
SELECT 1 FROM receipt WHERE topic = ? AND correlation = ?;

-- name: trim_receipts
DELETE FROM receipt WHERE id <= (SELECT max(id) FROM receipt) - :most;

-- name: forget_receipts
DELETE FROM receipt WHERE topic = ?;

-- name: select_session
SELECT data FROM session WHERE source = ?;

-- name: upsert_session
INSERT INTO session VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET data = excluded.data;

-- name: delete_session
DELETE FROM session WHERE source = ?;

-- name: select_taken
SELECT subscription, sequence FROM taken WHERE source = ?;

-- name: upsert_taken
INSERT INTO taken VALUES (?, ?, ?) ON CONFLICT (source, subscription) DO UPDATE SET sequence = excluded.sequence;

-- name: delete_taken
DELETE FROM taken WHERE source = ?;

-- name: select_namespaces
SELECT node, uri FROM namespace WHERE source = ?;

-- name: insert_namespace
INSERT OR IGNORE INTO namespace VALUES (?, ?, ?);
