-- The statements that read back, by name. A window holds its start and not its end; times go in and out as microseconds
-- since 1970.

-- name: points
SELECT p.id, p.name, p.address, p.unit, p.kind, p.meter, d.grade
FROM telemetry.point AS p JOIN telemetry.device AS d ON d.id = p.device
WHERE p.device = %(device)s ORDER BY p.name, p.id;

-- name: point_history
-- What the device signed, from the start of the first epoch in which it said so, and what the operator noted. An epoch
-- may be any number that the device chose: past the last moment of a reading (the year 2200) it is none of time.
SELECT p.name AS point, to_timestamp(0) + (min(c.epoch) FILTER (WHERE c.epoch <= 7258118400000000))
           * interval '1 microsecond' AS valid_from, 'device' AS said_by,
       p.unit, p.kind, NULL AS quantity, p.meter, p.address
FROM telemetry.point AS p LEFT JOIN telemetry.catalogue AS c ON c.device = p.device AND c.point_id = p.id
WHERE p.device = %(device)s
GROUP BY p.id
UNION ALL
SELECT n.point, n.valid_from, 'operator', NULL, NULL, n.quantity, n.meter, NULL
FROM telemetry.point_note AS n WHERE n.device = %(device)s
ORDER BY point, valid_from, said_by;

-- name: window
-- A row per point, status, flags and day, its readings as two strings of bytes: a message of the protocol for each
-- reading would cost the client more than everything else together. In no order.
SELECT r.point_id, r.status, r.flags, string_agg(timestamptz_send(r.time), ''::bytea), string_agg(float8send(r.value), ''::bytea)
FROM telemetry.reading AS r
WHERE r.point_id = ANY(%(points)s::integer[])
  AND r.time >= to_timestamp(0) + %(start_us)s::bigint * interval '1 microsecond'
  AND r.time < to_timestamp(0) + %(end_us)s::bigint * interval '1 microsecond'
GROUP BY r.point_id, r.status, r.flags, date_bin('1 day', r.time, '2000-01-01 00:00:00+00');

-- name: ties
-- Readings at these times in the order in which they were collected, which is not that in which batches arrived.
SELECT r.value, r.status, r.flags
FROM unnest(%(times_us)s::bigint[]) AS tied (time_us)
JOIN telemetry.reading AS r ON r.time = to_timestamp(0) + tied.time_us * interval '1 microsecond'
JOIN telemetry.batch AS b ON b.id = r.batch_id
WHERE r.point_id = ANY(%(points)s::integer[])
ORDER BY r.time, b.epoch, b.sequence, r.row;

-- name: buckets_raw
-- As `window`, for many short windows.
SELECT r.status, r.flags, string_agg(timestamptz_send(r.time), ''::bytea), string_agg(float8send(r.value), ''::bytea)
FROM unnest(%(starts_us)s::bigint[]) AS bucket (start_us)
JOIN telemetry.reading AS r
    ON r.time >= to_timestamp(0) + bucket.start_us * interval '1 microsecond'
    AND r.time < to_timestamp(0) + (bucket.start_us + %(width_us)s::bigint) * interval '1 microsecond'
WHERE r.point_id = ANY(%(points)s::integer[])
GROUP BY r.point_id, r.status, r.flags, bucket.start_us;

-- name: counter_buckets
-- Its buckets come from telemetry.buckets_15min or the aggregate. One name may stand for several points.
SELECT (extract(epoch FROM b.bucket) * 1000000)::bigint, count(*), bool_and(b.never_falls), min(b.minimum), max(b.maximum),
       (extract(epoch FROM min(b.first_time)) * 1000000)::bigint, (extract(epoch FROM max(b.last_time)) * 1000000)::bigint
FROM {buckets} AS b
WHERE b.point_id = ANY(%(points)s::integer[]) AND b.good > 0
GROUP BY b.bucket ORDER BY b.bucket;

-- name: last_good_before
SELECT (extract(epoch FROM last.time) * 1000000)::bigint, last.value
FROM unnest(%(points)s::integer[]) AS p (id)
CROSS JOIN LATERAL (
    SELECT r.time, r.value, b.epoch, b.sequence, r.row
    FROM telemetry.reading AS r JOIN telemetry.batch AS b ON b.id = r.batch_id
    WHERE r.point_id = p.id AND r.time < %(start_time)s AND telemetry.is_good(r.status, r.value)
    ORDER BY r.time DESC, b.epoch DESC, b.sequence DESC, r.row DESC LIMIT 1
) AS last
ORDER BY last.time DESC, last.epoch DESC, last.sequence DESC, last.row DESC LIMIT 1;

-- name: coverage_by_day
SELECT p.name, (b.bucket AT TIME ZONE %(zone)s)::date AS day, sum(b.readings)::bigint, sum(b.good)::bigint,
       count(DISTINCT b.bucket) FILTER (WHERE b.good > 0)
FROM {buckets} AS b JOIN telemetry.point AS p ON p.id = b.point_id
WHERE p.device = %(device)s
GROUP BY p.name, day ORDER BY p.name, day;

-- name: dropped_before
-- The moment before which readings of this window were dropped, where any were.
SELECT (extract(epoch FROM h.dropped_before) * 1000000)::bigint
FROM telemetry.horizon AS h
WHERE h.grade = 'signed' AND h.dropped_before > to_timestamp(0) + %(start_us)s::bigint * interval '1 microsecond' AND EXISTS (
    SELECT FROM telemetry.batch AS b
    WHERE b.device = %(device)s AND b.code = 'accepted' AND b.kind = 'readings' AND b.last_time_us >= %(start_us)s
      AND b.first_time_us < least(%(end_us)s, (extract(epoch FROM h.dropped_before) * 1000000)::bigint)
);

-- name: coverage
SELECT p.name, sum(t.readings)::bigint, (extract(epoch FROM min(t.first_time)) * 1000000)::bigint,
       (extract(epoch FROM max(t.last_time)) * 1000000)::bigint
FROM telemetry.point_total AS t JOIN telemetry.point AS p ON p.id = t.point_id
WHERE p.device = %(device)s
GROUP BY p.name ORDER BY p.name;

-- name: chain_ends
-- The last batch of each chain that has something to say about the time before the end.
SELECT b.epoch, max(b.sequence) FROM telemetry.batch AS b
WHERE b.device = %(device)s AND (
    %(end_us)s::bigint IS NULL OR b.first_time_us < %(end_us)s OR EXISTS (
        SELECT FROM telemetry.gap AS g
        WHERE g.batch_id = b.id AND g.start_time < to_timestamp(0) + %(end_us)s::bigint * interval '1 microsecond'
    )
)
GROUP BY b.epoch;

-- name: batch_page
-- What a refused batch has to say is not known, so it does not matter where the chain ends.
SELECT b.epoch, b.sequence, b.sha256, b.code, b.bytes
FROM telemetry.batch AS b
LEFT JOIN unnest(%(epochs)s::bigint[], %(ends)s::bigint[]) AS last (epoch, sequence) ON last.epoch = b.epoch
WHERE b.device = %(device)s AND (b.epoch, b.sequence) > (%(epoch)s, %(sequence)s)
  AND CASE b.code WHEN 'accepted' THEN b.sequence <= last.sequence ELSE %(refused)s END
ORDER BY b.epoch, b.sequence LIMIT %(page)s;

-- name: heads
SELECT e.epoch, e.through, e.sha256, (
    SELECT max(b.last_time_us) FROM telemetry.batch AS b
    WHERE b.device = e.device AND b.epoch = e.epoch AND b.sequence <= e.through
)
FROM telemetry.epoch AS e
WHERE e.device = %(device)s AND e.through >= 0 AND NOT e.stale
ORDER BY e.epoch;

-- name: rebuild_page
-- The accepted batches of readings in the order of their ids.
SELECT b.id, b.bytes, b.device, b.epoch, b.sequence FROM telemetry.batch AS b
WHERE b.id > %(after)s AND b.code = 'accepted' AND b.kind = 'readings'
ORDER BY b.id LIMIT %(page)s;

-- name: readings_of_batches
-- A row per batch, its readings as one string of bytes for each column.
SELECT r.batch_id,
       string_agg(timestamptz_send(r.time), ''::bytea ORDER BY r.row),
       string_agg(timestamptz_send(r.server_time), ''::bytea ORDER BY r.row),
       string_agg(float8send(r.value), ''::bytea ORDER BY r.row),
       string_agg(int8send(r.status), ''::bytea ORDER BY r.row),
       string_agg(int4send(r.point_id), ''::bytea ORDER BY r.row),
       string_agg(int4send(r.row), ''::bytea ORDER BY r.row),
       string_agg(int2send(r.flags), ''::bytea ORDER BY r.row)
FROM telemetry.reading AS r
WHERE r.time >= to_timestamp(0) + %(from_us)s::bigint * interval '1 microsecond'
GROUP BY r.batch_id
ORDER BY r.batch_id;

-- name: export
-- A row per day, its readings as one string of bytes for each column.
SELECT string_agg(timestamptz_send(r.time), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row),
       string_agg(float8send(r.value), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row),
       string_agg(int8send(r.status), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row),
       string_agg(int2send(r.flags), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row),
       string_agg(int8send(b.epoch), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row),
       string_agg(int8send(b.sequence), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row),
       string_agg(int4send(r.row), ''::bytea ORDER BY r.time, b.epoch, b.sequence, r.row)
FROM telemetry.reading AS r
JOIN telemetry.batch AS b ON b.id = r.batch_id
WHERE r.point_id = ANY(ARRAY(SELECT p.id FROM telemetry.point AS p WHERE p.device = %(device)s AND p.name = %(point)s))
  AND r.time >= to_timestamp(0) + %(start_us)s::bigint * interval '1 microsecond'
  AND r.time < to_timestamp(0) + %(end_us)s::bigint * interval '1 microsecond'
GROUP BY date_bin('1 day', r.time, '2000-01-01 00:00:00+00')
ORDER BY date_bin('1 day', r.time, '2000-01-01 00:00:00+00');
