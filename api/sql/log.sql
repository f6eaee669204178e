-- The evidence log. Every writer takes the same lock first, so that entries are numbered and checked one at a time.

-- name: lock_log
-- Held until the transaction ends. The number is arbitrary; it only has to be the same for every writer.
SELECT pg_advisory_xact_lock(7246310554101);

-- name: all_entries
SELECT index, bytes AS data, leaf_hash, logged_at FROM dossier.log_entry ORDER BY index;

-- name: some_entries
SELECT index, bytes AS data, leaf_hash, logged_at FROM dossier.log_entry
WHERE index >= %(start)s ORDER BY index LIMIT %(limit)s;

-- name: add_entry
INSERT INTO dossier.log_entry (index, bytes, leaf_hash, logged_at)
VALUES (%(index)s, %(data)s, %(leaf_hash)s, %(logged_at)s);

-- name: last_checkpoint
SELECT note FROM dossier.checkpoint ORDER BY size DESC LIMIT 1;

-- name: add_checkpoint
INSERT INTO dossier.checkpoint (size, note, signed_at) VALUES (%(size)s, %(note)s, %(signed_at)s)
ON CONFLICT (size) DO NOTHING;
