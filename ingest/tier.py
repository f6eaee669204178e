"""What the database server offers, found out once per connection: the licence of TimescaleDB, or none."""

from __future__ import annotations

from enum import StrEnum

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
