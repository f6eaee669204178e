"""What the database server offers: the licence of TimescaleDB, or none; and the use that is made of it.

Queries give the same answers on every tier. The tiers differ in how much room the readings take and in how fast an
overview is.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files

from ingest.database import Connection


class Tier(StrEnum):
    """COMMUNITY: compression, retention and continuous aggregates; APACHE: hypertables only; PLAIN: neither."""

    COMMUNITY = "community"
    APACHE = "apache"
    PLAIN = "plain"


def detect(conn: Connection) -> Tier:
    """The tier of the database that `conn` is connected to."""
    row = conn.execute(
        "SELECT current_setting('timescaledb.license', true) FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    if row is None:
        return Tier.PLAIN
    return Tier.COMMUNITY if row[0] == "timescale" else Tier.APACHE


def equip(conn: Connection) -> Tier:
    """Use what the server offers, once the tables are there. Changes nothing the second time."""
    tier = detect(conn)
    if tier is Tier.COMMUNITY:
        with conn.transaction():
            conn.execute((files("ingest") / "community.sql").read_bytes())
    return tier


def storage(conn: Connection) -> dict[str, str]:
    """How the readings are kept, in words for an operator."""
    tier = detect(conn)
    view = conn.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass('telemetry.reading_15min')").fetchone()
    lines = {"readings table": "one table" if tier is Tier.PLAIN else _chunks(conn)}
    if tier is Tier.COMMUNITY:
        lines |= {"reading_15min": "continuous aggregate", "compression": _compression(conn)}
    else:
        lines |= {"reading_15min": "view" if view else "missing", "compression": "not offered by this server"}
    return lines


def _chunks(conn: Connection) -> str:
    row = conn.execute(
        "SELECT count(*) FROM timescaledb_information.chunks"
        " WHERE hypertable_schema = 'telemetry' AND hypertable_name = 'reading'"
    ).fetchone()
    return f"hypertable of {row[0] if row else 0} chunks"


def _compression(conn: Connection) -> str:
    row = conn.execute(
        "SELECT number_compressed_chunks, before_compression_total_bytes, after_compression_total_bytes"
        " FROM hypertable_compression_stats('telemetry.reading')"
    ).fetchone()
    if row is None or not row[0]:
        return "after 7 days; nothing compressed yet"
    return f"after 7 days; {row[0]} chunks in 1/{row[1] / row[2]:.1f} of their room"
