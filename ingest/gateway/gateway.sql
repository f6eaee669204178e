-- The statements for gateways of trust grade 'transport', by name.

-- name: claim_host
SELECT pg_try_advisory_lock(hashtextextended('retroproof gateway host ' || %(host_id)s, 0));

-- name: insert_gateway
INSERT INTO telemetry.device (id, enterprise, grade) VALUES (%(device)s, %(enterprise)s, 'transport')
ON CONFLICT DO NOTHING;

-- name: gateway
SELECT enterprise, grade, revoked_at FROM telemetry.device WHERE id = %(device)s;

-- name: revoked_gateways
SELECT id FROM telemetry.device WHERE id = ANY(%(devices)s) AND revoked_at IS NOT NULL;

-- name: gateway_points
SELECT p.name, p.id
FROM unnest(
    %(name)s::text[], %(address)s::text[], %(unit)s::text[], %(kind)s::text[], %(meter)s::text[]
) AS wanted (name, address, unit, kind, meter)
JOIN telemetry.point AS p ON p.device = %(device)s
    AND (p.name, p.address, p.unit, p.kind, p.meter) = (wanted.name, wanted.address, wanted.unit, wanted.kind, wanted.meter);

-- name: insert_transport_readings
INSERT INTO telemetry.transport_reading (time, received_at, value, status, point_id, flags)
SELECT to_timestamp(0) + new.time_us * interval '1 microsecond', %(received_at)s, new.value, new.status, new.point_id, new.flags
FROM unnest(
    %(time_us)s::bigint[], %(value)s::double precision[], %(status)s::bigint[], %(point_id)s::integer[], %(flags)s::smallint[]
) AS new (time_us, value, status, point_id, flags)
ON CONFLICT DO NOTHING;

-- name: insert_transport_events
INSERT INTO telemetry.transport_event (device, unit, at, event, detail)
SELECT new.device, new.unit, %(at)s, new.event, new.detail
FROM unnest(%(device)s::text[], %(unit)s::text[], %(event)s::text[], %(detail)s::text[]) AS new (device, unit, event, detail);

-- name: transport_window
SELECT p.name, (extract(epoch FROM r.time) * 1000000)::bigint, r.value, r.status, r.flags
FROM telemetry.transport_reading AS r JOIN telemetry.point AS p ON p.id = r.point_id
WHERE p.device = %(device)s AND p.name = ANY(%(names)s)
  AND r.time >= to_timestamp(0) + %(start_us)s::bigint * interval '1 microsecond'
  AND r.time < to_timestamp(0) + %(end_us)s::bigint * interval '1 microsecond'
ORDER BY p.name, r.time, r.value;

-- name: transport_state
-- The latest birth or death of each unit, and how often its sequence had a hole.
SELECT e.device, e.unit, last.event, last.at, e.holes
FROM (
    SELECT device, unit, count(*) FILTER (WHERE event = 'sequence_gap') AS holes
    FROM telemetry.transport_event GROUP BY device, unit
) AS e
CROSS JOIN LATERAL (
    SELECT l.event, l.at FROM telemetry.transport_event AS l
    WHERE l.device = e.device AND l.unit = e.unit AND l.event IN ('birth', 'death')
    ORDER BY l.id DESC LIMIT 1
) AS last
ORDER BY e.device, e.unit;
