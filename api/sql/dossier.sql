-- Projects, their plans and their runs.

-- name: add_project
INSERT INTO dossier.project (id, enterprise, title_en, title_zh, device, created_at)
VALUES (%(id)s, %(enterprise)s, %(title_en)s, %(title_zh)s, %(device)s, %(created_at)s)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: list_projects
-- With an enterprise: its own projects only.
SELECT id, enterprise, title_en, title_zh, device, created_at
FROM dossier.project
WHERE %(enterprise)s::text IS NULL OR enterprise = %(enterprise)s
ORDER BY created_at, id;

-- name: find_project
SELECT id, enterprise, title_en, title_zh, device, created_at
FROM dossier.project
WHERE id = %(id)s AND (%(enterprise)s::text IS NULL OR enterprise = %(enterprise)s);

-- name: lock_project
-- Plans and runs of one project go one at a time, so that versions and run numbers have neither holes nor doubles.
SELECT id FROM dossier.project WHERE id = %(id)s FOR UPDATE;

-- name: add_plan
INSERT INTO dossier.plan (project, version, sha256, bytes, locked_at, plan_index, baseline_index, findings)
VALUES (%(project)s, %(version)s, %(sha256)s, %(data)s, %(locked_at)s, %(plan_index)s, %(baseline_index)s, %(findings)s);

-- name: list_plans
-- The newest version first.
SELECT project, version, sha256, bytes AS data, locked_at, plan_index, baseline_index, findings
FROM dossier.plan
WHERE project = %(project)s
ORDER BY version DESC;

-- name: add_run
INSERT INTO dossier.run (project, number, plan_version, k, started_at, finished_at, started_by, verdict, result,
                         manifest_sha256, log_index, package)
VALUES (%(project)s, %(number)s, %(plan_version)s, %(k)s, %(started_at)s, %(finished_at)s, %(started_by)s, %(verdict)s,
        %(result)s, %(manifest_sha256)s, %(log_index)s, %(package)s);

-- name: list_runs
-- The newest first; without result and package, which are large.
SELECT project, number, plan_version, k, started_at, finished_at, started_by, verdict, manifest_sha256, log_index,
       octet_length(package) AS package_bytes
FROM dossier.run
WHERE project = %(project)s
ORDER BY number DESC;

-- name: read_result
SELECT result FROM dossier.run WHERE project = %(project)s AND number = %(number)s;

-- name: read_package
SELECT package FROM dossier.run WHERE project = %(project)s AND number = %(number)s;

-- name: device_owner
SELECT enterprise, grade FROM telemetry.device WHERE id = %(device)s AND revoked_at IS NULL;
