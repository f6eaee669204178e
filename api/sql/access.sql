-- Tokens and browser sessions.

-- name: add_token
INSERT INTO dossier.token (sha256, role, subject, enterprise, created_at, expires_at)
VALUES (%(sha256)s, %(role)s, %(subject)s, %(enterprise)s, %(now)s, %(expires_at)s);

-- name: list_tokens
-- The newest first. `id` is the start of the hash: enough to name a token, useless for signing in.
SELECT left(encode(sha256, 'hex'), 12) AS id, role, subject, enterprise, created_at, expires_at, revoked_at
FROM dossier.token
ORDER BY created_at DESC, sha256;

-- name: revoke_token
-- Revoking twice keeps the first time.
UPDATE dossier.token
SET revoked_at = %(now)s
WHERE left(encode(sha256, 'hex'), 12) = %(id)s AND revoked_at IS NULL
RETURNING subject;

-- name: find_token
SELECT role, subject, enterprise
FROM dossier.token
WHERE sha256 = %(sha256)s AND revoked_at IS NULL AND expires_at > %(now)s;

-- name: find_session
-- A session ends with its token, so a revoked token closes every browser that used it.
SELECT token.role, token.subject, token.enterprise
FROM dossier.session AS session
JOIN dossier.token AS token ON token.sha256 = session.token
WHERE session.sha256 = %(sha256)s AND session.expires_at > %(now)s
  AND token.revoked_at IS NULL AND token.expires_at > %(now)s;

-- name: open_session
INSERT INTO dossier.session (sha256, token, expires_at) VALUES (%(sha256)s, %(token)s, %(expires_at)s);

-- name: close_session
DELETE FROM dossier.session WHERE sha256 = %(sha256)s;

-- name: forget_sessions
-- Sessions that have run out: swept whenever a new one is opened, so the table stays small without a job.
DELETE FROM dossier.session WHERE expires_at <= %(now)s;
