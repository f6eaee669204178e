-- What TimescaleDB offers under its Community licence beyond the tables of the migrations. Can be run again at any time.

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.continuous_aggregates
        WHERE view_schema = 'telemetry' AND view_name = 'reading_15min'
    ) THEN
        DROP VIEW telemetry.reading_15min;
        -- The same as telemetry.buckets_15min, for which a test stands: date_bin is time_bucket here.
        CREATE MATERIALIZED VIEW telemetry.reading_15min
        WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
        SELECT point_id, time_bucket('15 minutes', time) AS bucket,
               count(*) AS readings,
               count(*) FILTER (WHERE telemetry.is_good(status, value)) AS good,
               min(value) FILTER (WHERE telemetry.is_good(status, value)) AS minimum,
               max(value) FILTER (WHERE telemetry.is_good(status, value)) AS maximum,
               sum(value ORDER BY time, value DESC) FILTER (WHERE telemetry.is_good(status, value)) AS total,
               telemetry.never_falls(value ORDER BY time, value DESC)
                   FILTER (WHERE telemetry.is_good(status, value)) AS never_falls,
               min(time) FILTER (WHERE telemetry.is_good(status, value)) AS first_time,
               max(time) FILTER (WHERE telemetry.is_good(status, value)) AS last_time
        FROM telemetry.reading
        GROUP BY 1, 2
        WITH NO DATA;
        ALTER TABLE telemetry.reading SET (
            timescaledb.compress, timescaledb.compress_segmentby = 'point_id', timescaledb.compress_orderby = 'time'
        );
    END IF;
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.hypertables
        WHERE hypertable_schema = 'telemetry' AND hypertable_name = 'transport_reading' AND compression_enabled
    ) THEN
        -- Its unique key must be found again in compressed chunks too, where a gateway's repeat may come late.
        ALTER TABLE telemetry.transport_reading SET (
            timescaledb.compress, timescaledb.compress_segmentby = 'point_id', timescaledb.compress_orderby = 'time, value'
        );
    END IF;
END
$$;
-- A chunk is compressed a week after its last reading should have come; what comes later is still taken.
SELECT add_compression_policy('telemetry.reading', compress_after => interval '7 days', if_not_exists => true);
SELECT add_compression_policy('telemetry.transport_reading', compress_after => interval '7 days', if_not_exists => true);
-- The start is open, so that readings which arrive weeks late reach their bucket too. The end is not: a reading from
-- a clock that runs ahead would otherwise move the materialised part past today.
SELECT add_continuous_aggregate_policy(
    'telemetry.reading_15min', start_offset => NULL, end_offset => interval '1 hour',
    schedule_interval => interval '15 minutes', if_not_exists => true
);
