-- The meter register, what the operator says of points, and the readings in buckets of 15 minutes.

-- Kinds are the format's business (verification.model); the table only keeps out what is none of them.
ALTER TABLE telemetry.point DROP CONSTRAINT point_kind_check;
ALTER TABLE telemetry.point ADD CONSTRAINT point_kind_check
    CHECK (kind IN ('counter', 'interval_total', 'gauge', 'state', 'event'));

-- The instrument behind one or more points, as it was from valid_from on: a swapped meter is a further row with another
-- serial. Nothing is changed or deleted, so that a past figure keeps the meter it was read from.
-- ct_ratio, vt_ratio: primary to secondary, where the register shows secondary values. register_modulus: the register
-- shows this many units before it starts at 0 again.
CREATE TABLE telemetry.meter (
    enterprise       text NOT NULL,
    name             text NOT NULL CHECK (name <> ''),
    valid_from       timestamptz NOT NULL,
    serial           text NOT NULL CHECK (serial <> ''),
    unit             text NOT NULL,
    class_percent    double precision NOT NULL CHECK (class_percent > 0 AND class_percent <= 50),
    ct_ratio         double precision NOT NULL CHECK (ct_ratio > 0 AND ct_ratio < 'Infinity'),
    vt_ratio         double precision NOT NULL CHECK (vt_ratio > 0 AND vt_ratio < 'Infinity'),
    register_modulus double precision CHECK (register_modulus > 0 AND register_modulus < 'Infinity'),
    recorded_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (enterprise, name, valid_from)
);

-- Calibrations by certificate. error_percent: as found, before any adjustment; NULL where the certificate has none.
CREATE TABLE telemetry.calibration (
    enterprise    text NOT NULL,
    meter         text NOT NULL,
    serial        text NOT NULL,
    date          date NOT NULL,
    certificate   text NOT NULL CHECK (certificate <> ''),
    laboratory    text NOT NULL,
    error_percent double precision,
    valid_until   date CHECK (valid_until >= date),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (enterprise, meter, certificate)
);

-- What a point measures and with which meter, from valid_from on, where the operator knows more than the device.
-- Unit and kind are not here: they are signed by the device, and another unit or kind makes another point.
CREATE TABLE telemetry.point_note (
    device      text NOT NULL REFERENCES telemetry.device,
    point       text NOT NULL CHECK (point <> ''),
    valid_from  timestamptz NOT NULL,
    quantity    text NOT NULL,
    meter       text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device, point, valid_from)
);

-- Readings before this were dropped on purpose (their batches were not); no row: none were.
CREATE TABLE telemetry.horizon (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    dropped_before timestamptz NOT NULL
);

-- A usable value: OPC UA status of severity good (Part 4, 7.39: the two top bits), and finite.
CREATE FUNCTION telemetry.is_good(status bigint, value double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT status & 3221225472 = 0 AND abs(value) < 'Infinity' $$;

-- never_falls(value ORDER BY time, value DESC): whether a counter only rose or stood still. Then, and only then, its
-- increase is maximum - minimum; comparing first and last with the extremes does not show a fall in between. Two
-- different values at one time count as a fall, since their order is not known here. The state is the last value, NaN
-- once there was a fall, because NaN is above every number.
CREATE FUNCTION telemetry.never_falls_step(last double precision, value double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$ BEGIN RETURN CASE WHEN value >= last THEN value ELSE 'NaN' END; END $$;

CREATE FUNCTION telemetry.never_falls_result(last double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT CASE WHEN last > '-Infinity' THEN last <> 'NaN' END $$;

CREATE AGGREGATE telemetry.never_falls(double precision) (
    SFUNC = telemetry.never_falls_step,
    STYPE = double precision,
    INITCOND = '-Infinity',
    FINALFUNC = telemetry.never_falls_result
);

-- The buckets that begin in [start_time, end_time), both multiples of 15 minutes. A function and not only a view, because
-- a condition on the bucket would not reach the index on time. `total` adds in one order, so it is the same everywhere.
CREATE FUNCTION telemetry.buckets_15min(start_time timestamptz, end_time timestamptz)
RETURNS TABLE (
    point_id   integer,
    bucket     timestamptz,
    readings   bigint,
    good       bigint,
    minimum    double precision,
    maximum    double precision,
    total      double precision,
    never_falls boolean,
    first_time timestamptz,
    last_time  timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT r.point_id, date_bin('15 minutes', r.time, '2000-01-01 00:00:00+00'),
           count(*),
           count(*) FILTER (WHERE telemetry.is_good(r.status, r.value)),
           min(r.value) FILTER (WHERE telemetry.is_good(r.status, r.value)),
           max(r.value) FILTER (WHERE telemetry.is_good(r.status, r.value)),
           sum(r.value ORDER BY r.time, r.value DESC) FILTER (WHERE telemetry.is_good(r.status, r.value)),
           telemetry.never_falls(r.value ORDER BY r.time, r.value DESC) FILTER (WHERE telemetry.is_good(r.status, r.value)),
           min(r.time) FILTER (WHERE telemetry.is_good(r.status, r.value)),
           max(r.time) FILTER (WHERE telemetry.is_good(r.status, r.value))
    FROM telemetry.reading AS r
    WHERE r.time >= start_time AND r.time < end_time
    GROUP BY 1, 2
$$;

-- Where the server offers it, `retroproof db migrate` makes this a continuous aggregate with the same columns
-- (ingest/community.sql).
CREATE VIEW telemetry.reading_15min AS SELECT * FROM telemetry.buckets_15min('-infinity', 'infinity');
