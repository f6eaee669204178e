-- The statements of ingest, by name. Lists of keys travel as arrays, so that a group of batches costs a few queries.

-- name: lock_devices
-- Held to the end of the transaction: whoever writes for a device is alone with it. Ordered, so that two workers whose
-- groups share devices wait for each other instead of deadlocking.
SELECT d.id, d.revoked_at IS NOT NULL
FROM telemetry.device AS d
WHERE d.id = ANY(%(devices)s)
ORDER BY d.id
FOR NO KEY UPDATE;

-- name: device_keys
SELECT device, key_id, public_key,
       (extract(epoch FROM valid_from) * 1000000)::bigint, (extract(epoch FROM valid_to) * 1000000)::bigint
FROM telemetry.device_key
WHERE device = ANY(%(devices)s);

-- name: change_key
-- valid_to is the first moment that does not count, and the old key signed the change itself.
WITH ended AS (
    UPDATE telemetry.device_key
    SET valid_to = to_timestamp(0) + (%(signed_at_us)s::bigint + 1) * interval '1 microsecond'
    WHERE device = %(device)s AND key_id = %(old_id)s
)
INSERT INTO telemetry.device_key (device, key_id, public_key, valid_from)
VALUES (
    %(device)s, %(new_id)s, %(new_key)s, to_timestamp(0) + %(signed_at_us)s::bigint * interval '1 microsecond'
);

-- name: newest_epochs
SELECT d.id, coalesce((SELECT max(e.epoch) FROM telemetry.epoch AS e WHERE e.device = d.id), -1)
FROM unnest(%(devices)s::text[]) AS d (id);

-- name: epochs
SELECT e.device, e.epoch, e.stale, e.through
FROM unnest(%(devices)s::text[], %(epochs)s::bigint[]) AS wanted (device, epoch)
JOIN telemetry.epoch AS e USING (device, epoch);

-- name: catalogues
SELECT c.device, c.epoch, c.idx, c.point_id, p.name, p.address, p.unit, p.kind, p.meter
FROM unnest(%(devices)s::text[], %(epochs)s::bigint[]) AS wanted (device, epoch)
JOIN telemetry.catalogue AS c USING (device, epoch)
JOIN telemetry.point AS p ON p.id = c.point_id;

-- name: entries
-- The places of the arriving batches and the places beside them.
SELECT b.device, b.epoch, b.sequence, b.sha256, b.previous
FROM unnest(%(devices)s::text[], %(epochs)s::bigint[], %(sequences)s::bigint[]) AS wanted (device, epoch, sequence)
JOIN telemetry.batch AS b USING (device, epoch, sequence);

-- name: insert_epochs
INSERT INTO telemetry.epoch (device, epoch, stale)
SELECT * FROM unnest(%(devices)s::text[], %(epochs)s::bigint[], %(stale)s::boolean[])
ON CONFLICT DO NOTHING;

-- name: insert_batches
-- The device's lock is held and its ledger was read under it, so none of these is there yet; if one were, the unique
-- key would abort the whole transaction, rows and all.
INSERT INTO telemetry.batch (
    device, epoch, sequence, sha256, previous, code, kind, row_count, first_time_us, last_time_us, signed_at_us,
    received_at, clock_state, clock_offset_us, dropped, filtered, bytes
)
SELECT device, epoch, sequence, sha256, previous, code, kind, row_count, first_time_us, last_time_us, signed_at_us,
       %(received_at)s, clock_state, clock_offset_us, dropped, filtered, bytes
FROM unnest(
    %(device)s::text[], %(epoch)s::bigint[], %(sequence)s::bigint[], %(sha256)s::bytea[], %(previous)s::bytea[],
    %(code)s::text[], %(kind)s::text[], %(row_count)s::integer[], %(first_time_us)s::bigint[],
    %(last_time_us)s::bigint[], %(signed_at_us)s::bigint[], %(clock_state)s::text[], %(clock_offset_us)s::bigint[],
    %(dropped)s::bigint[], %(filtered)s::bigint[], %(bytes)b::bytea[]
) AS new (
    device, epoch, sequence, sha256, previous, code, kind, row_count, first_time_us, last_time_us, signed_at_us,
    clock_state, clock_offset_us, dropped, filtered, bytes
)
RETURNING device, epoch, sequence, id;

-- name: insert_points
-- Those that are new. Two of one identity in the index and yet not the same are an error, not one point.
INSERT INTO telemetry.point (device, name, address, unit, kind, meter)
SELECT %(device)s::text, new.* FROM unnest(
    %(name)s::text[], %(address)s::text[], %(unit)s::text[], %(kind)s::text[], %(meter)s::text[]
) AS new (name, address, unit, kind, meter)
EXCEPT
SELECT p.device, p.name, p.address, p.unit, p.kind, p.meter FROM telemetry.point AS p WHERE p.device = %(device)s
ORDER BY 2, 3, 4, 5, 6;

-- name: insert_catalogue
INSERT INTO telemetry.catalogue (device, epoch, idx, point_id)
SELECT %(device)s, %(epoch)s, new.idx, p.id
FROM unnest(
    %(idx)s::integer[], %(name)s::text[], %(address)s::text[], %(unit)s::text[], %(kind)s::text[], %(meter)s::text[]
) AS new (idx, name, address, unit, kind, meter)
JOIN telemetry.point AS p ON p.device = %(device)s
    AND (p.name, p.address, p.unit, p.kind, p.meter) = (new.name, new.address, new.unit, new.kind, new.meter)
RETURNING idx, point_id;

-- name: insert_gap
INSERT INTO telemetry.gap (batch_id, ordinal, point_ids, start_time, end_time, reason, count)
VALUES (
    %(batch_id)s, %(ordinal)s, %(point_ids)s,
    to_timestamp(0) + %(start_us)s * interval '1 microsecond', to_timestamp(0) + %(end_us)s * interval '1 microsecond',
    %(reason)s, %(count)s
);

-- name: raise_through
-- Walks each chain from its high-water mark up to the first hole, by the ledger's own key.
WITH RECURSIVE run (device, epoch, sequence, sha256) AS (
    SELECT e.device, e.epoch, e.through, e.sha256
    FROM unnest(%(devices)s::text[], %(epochs)s::bigint[]) AS wanted (device, epoch)
    JOIN telemetry.epoch AS e USING (device, epoch)
    UNION ALL
    SELECT b.device, b.epoch, b.sequence, b.sha256
    FROM run JOIN telemetry.batch AS b
        ON b.device = run.device AND b.epoch = run.epoch AND b.sequence = run.sequence + 1
),
reached AS (
    SELECT DISTINCT ON (device, epoch) * FROM run ORDER BY device, epoch, sequence DESC
)
UPDATE telemetry.epoch AS e SET through = reached.sequence, sha256 = reached.sha256
FROM reached
WHERE e.device = reached.device AND e.epoch = reached.epoch AND e.through < reached.sequence;

-- name: add_totals
-- The locks of the devices are held, so nobody else counts these points now.
INSERT INTO telemetry.point_total AS t (point_id, readings, first_time, last_time)
SELECT * FROM unnest(
    %(points)s::integer[], %(readings)s::bigint[], %(first_times)s::timestamptz[], %(last_times)s::timestamptz[]
)
ON CONFLICT (point_id) DO UPDATE
SET readings = t.readings + excluded.readings, first_time = least(t.first_time, excluded.first_time),
    last_time = greatest(t.last_time, excluded.last_time);

-- name: take_from_totals
-- What lies before the horizon and is dropped next.
WITH gone AS (
    SELECT point_id, count(*) AS readings FROM telemetry.reading WHERE time < %(horizon)s GROUP BY point_id
), emptied AS (
    DELETE FROM telemetry.point_total AS t USING gone WHERE t.point_id = gone.point_id AND t.readings = gone.readings
)
UPDATE telemetry.point_total AS t SET readings = t.readings - gone.readings, first_time = (
    SELECT min(r.time) FROM telemetry.reading AS r WHERE r.point_id = t.point_id AND r.time >= %(horizon)s
)
FROM gone WHERE t.point_id = gone.point_id AND t.readings > gone.readings;

-- name: wrong_total
-- A point whose total is not what a count of its readings gives.
SELECT p.name || ' of ' || p.device
FROM (SELECT point_id, count(*) AS readings, min(time) AS first_time, max(time) AS last_time
      FROM telemetry.reading GROUP BY point_id) AS counted
FULL JOIN telemetry.point_total AS t USING (point_id)
JOIN telemetry.point AS p ON p.id = point_id
WHERE (counted.readings, counted.first_time, counted.last_time)
    IS DISTINCT FROM (t.readings, t.first_time, t.last_time)
ORDER BY point_id LIMIT 1;

-- name: quarantine_settled
INSERT INTO telemetry.quarantine (
    first_received_at, last_received_at, topic_device, code, detail, sha256, device, epoch, sequence, batch_id
)
SELECT received_at, received_at, device, code, %(detail)s, sha256, device, epoch, sequence, id
FROM telemetry.batch WHERE id = %(batch_id)s
ON CONFLICT (topic_device, sha256, code) DO UPDATE
SET times = telemetry.quarantine.times + 1, last_received_at = excluded.last_received_at;

-- name: count_again
UPDATE telemetry.quarantine
SET times = times + 1, last_received_at = %(received_at)s
WHERE topic_device = %(topic_device)s AND sha256 = %(sha256)s AND code = %(code)s;

-- name: quarantine_unsettled
-- Strangers must not fill the disk: at most so many entries for one topic, and so many in all.
INSERT INTO telemetry.quarantine (
    first_received_at, last_received_at, topic_device, code, detail, sha256, device, epoch, sequence, bytes
)
SELECT %(received_at)s, %(received_at)s,
       %(topic_device)s, %(code)s, %(detail)s, %(sha256)s, %(device)s, %(epoch)s, %(sequence)s, %(bytes)b
WHERE (SELECT count(*) FROM telemetry.quarantine
       WHERE batch_id IS NULL AND released_at IS NULL AND topic_device = %(topic_device)s) < %(most_of_topic)s
  AND (SELECT count(*) FROM telemetry.quarantine WHERE batch_id IS NULL AND released_at IS NULL) < %(most)s;

-- name: acknowledgements
-- Only for enrolled devices. The refused are the latest that lie below the high-water mark.
SELECT d.id, wanted.epoch, coalesce(e.through, -1), coalesce(e.sha256, ''), refused.sequences, refused.hashes, refused.codes
FROM unnest(%(devices)s::text[], %(epochs)s::bigint[]) AS wanted (device, epoch)
JOIN telemetry.device AS d ON d.id = wanted.device
LEFT JOIN telemetry.epoch AS e ON e.device = d.id AND e.epoch = wanted.epoch
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(latest.sequence), '{}') AS sequences, coalesce(array_agg(latest.sha256), '{}') AS hashes,
           coalesce(array_agg(latest.code), '{}') AS codes
    FROM (
        SELECT b.sequence, b.sha256, b.code FROM telemetry.batch AS b
        WHERE b.device = d.id AND b.epoch = wanted.epoch AND b.code <> 'accepted' AND b.sequence <= e.through
        ORDER BY b.sequence DESC LIMIT %(most_refused)s
    ) AS latest
) AS refused;

-- name: status_counts
SELECT (SELECT count(*) FROM telemetry.device WHERE revoked_at IS NULL) AS devices,
       (SELECT count(*) FROM telemetry.point) AS points,
       (SELECT count(*) FROM telemetry.batch) AS batches,
       (SELECT count(*) FROM telemetry.batch WHERE code <> 'accepted') AS batches_refused,
       (SELECT coalesce(sum(readings), 0) FROM telemetry.point_total) AS readings,
       (SELECT coalesce(sum(row_count), 0) FROM telemetry.batch) AS readings_in_ledger,
       (SELECT count(*) FROM telemetry.gap) AS gaps_admitted,
       (SELECT count(*) FROM telemetry.sequence_gap) AS gaps_in_sequence,
       (SELECT count(*) FROM telemetry.quarantine WHERE released_at IS NULL) AS quarantined,
       (SELECT coalesce(sum(octet_length(bytes)), 0) FROM telemetry.batch) AS batch_bytes,
       pg_database_size(current_database()) AS database_bytes;

-- name: quarantine_list
SELECT id, last_received_at, times, code, topic_device, epoch, sequence, detail FROM telemetry.quarantine
WHERE released_at IS NULL OR %(released)s
ORDER BY id DESC LIMIT %(most)s;

-- name: quarantined_of
-- Of the device, and of whoever claimed to be it; what was released counts no longer.
SELECT code, count(*) FROM telemetry.quarantine
WHERE (device = %(device)s OR topic_device = %(device)s) AND released_at IS NULL
GROUP BY code ORDER BY code;

-- name: quarantine_entry
SELECT q.topic_device, q.batch_id, coalesce(q.bytes, b.bytes), q.released_at
FROM telemetry.quarantine AS q LEFT JOIN telemetry.batch AS b ON b.id = q.batch_id
WHERE q.id = %(id)s;

-- name: mark_released
UPDATE telemetry.quarantine SET released_at = now() WHERE id = %(id)s;

-- name: accept_settled
UPDATE telemetry.batch
SET code = %(code)s, kind = %(kind)s, row_count = %(row_count)s, first_time_us = %(first_time_us)s,
    last_time_us = %(last_time_us)s
WHERE id = %(id)s AND code <> 'accepted';

-- name: insert_token
INSERT INTO telemetry.enrolment (token_sha256, device, enterprise, expires_at)
VALUES (%(hash)s, %(device)s, %(enterprise)s, now() + %(life)s);

-- name: enrolment_by_token
-- A token counts until it runs out, and for a while after its request, so that the device can fetch what it was given.
SELECT id, device, enterprise, expires_at, requested_at, signing_key, csr, approved, reason, certificate, ca
FROM telemetry.enrolment
WHERE token_sha256 = %(hash)s
  AND (expires_at > now() OR requested_at > now() - interval '90 days') AND (requested_at IS NOT NULL OR approved IS NULL)
FOR NO KEY UPDATE;

-- name: take_token
UPDATE telemetry.enrolment SET requested_at = now(), signing_key = %(signing_key)s, csr = %(csr)s WHERE id = %(id)s;

-- name: enrolments
SELECT id, device, enterprise, expires_at, requested_at, signing_key, csr, approved, reason, certificate, ca
FROM telemetry.enrolment
WHERE %(everything)s OR (requested_at IS NOT NULL AND approved IS NULL)
ORDER BY id;

-- name: enrolment
SELECT id, device, enterprise, expires_at, requested_at, signing_key, csr, approved, reason, certificate, ca
FROM telemetry.enrolment WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: decide_enrolment
UPDATE telemetry.enrolment
SET decided_at = now(), approved = %(approved)s, reason = %(reason)s, certificate = %(certificate)s, ca = %(ca)s
WHERE id = %(id)s;
