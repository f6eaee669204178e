"""What the spool remembers of a source's session with its server, and of how far each point has been read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.spool import MAX_AHEAD_US, Spool
from edge_agent.spool_model import Limits, SpoolFullError, Taken
from edge_agent.spool_recovery import open_spool
from verification.model import Point, PointKind, Rows

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW_US = 1_700_000_000_000_000
EARLIER_POINT_STATE = """
    CREATE TABLE earlier (
        idx INTEGER PRIMARY KEY REFERENCES point,
        time_us INTEGER NOT NULL, count INTEGER NOT NULL, row_time_us INTEGER NOT NULL, value_bits INTEGER NOT NULL
    ) STRICT;
    INSERT INTO earlier SELECT idx, time_us, count, row_time_us, value_bits FROM point_state;
    DROP TABLE point_state;
    ALTER TABLE earlier RENAME TO point_state;
"""


def opened(path: Path, **limits: int) -> Spool:
    spool = open_spool(path / "spool.sqlite", "device-1", KEY, Limits(**limits), now_us=lambda: NOW_US)
    spool.catalogue([Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER)])
    return spool


def rows(*times_us: int) -> Rows:
    made = Rows.empty()
    for time_us in times_us:
        made.append(0, time_us, 1.0)
    return made


def test_the_last_message_is_remembered_with_its_rows_and_forgotten_with_the_session(tmp_path):
    spool = opened(tmp_path)
    assert spool.session("line") is None
    spool.keep_session("line", b"state")
    spool.append(rows(NOW_US), taken=Taken("line", 7, 41))
    spool.append(Rows.empty(), taken=Taken("line", 8, 2))
    spool.keep_session("line", b"later state")
    spool.close()
    spool = opened(tmp_path)
    assert spool.session("line") == (b"later state", {7: 41, 8: 2})
    assert spool.session("another") is None
    spool.forget_session("line")
    assert spool.session("line") is None
    spool.keep_session("line", b"new")
    assert spool.session("line") == (b"new", {})
    spool.close()


def test_a_message_whose_rows_find_no_room_counts_as_not_taken(tmp_path):
    spool = opened(tmp_path, max_bytes=1 << 20)
    spool.keep_session("line", b"state")
    spool.append(rows(*range(NOW_US, NOW_US + 24_000)), taken=Taken("line", 7, 1))
    with pytest.raises(SpoolFullError):
        spool.append(rows(*range(NOW_US, NOW_US + 2_000)), taken=Taken("line", 7, 2))
    assert spool.session("line") == (b"state", {7: 1})
    spool.close()


@pytest.mark.parametrize(("ahead_us", "counts"), [(MAX_AHEAD_US, True), (MAX_AHEAD_US + 1, False)])
def test_a_clock_more_than_a_day_ahead_does_not_count_as_read_up_to(tmp_path, ahead_us, counts):
    spool = opened(tmp_path)
    spool.append(rows(NOW_US, NOW_US, NOW_US + ahead_us))
    state = spool.state(0)
    assert (state.time_us, state.count) == ((NOW_US + ahead_us, 1) if counts else (NOW_US, 2))
    assert state.row_time_us == NOW_US + ahead_us
    spool.close()
    assert opened(tmp_path).state(0) == state


def test_a_spool_of_an_earlier_release_is_taken_over_with_its_last_rows_as_good_ones(tmp_path):
    spool = opened(tmp_path)
    spool.append(rows(NOW_US))
    spool.close()
    with sqlite3.connect(tmp_path / "spool.sqlite") as connection:
        connection.executescript(EARLIER_POINT_STATE)
    connection.close()
    spool = opened(tmp_path)
    assert spool.states()[0].row == (NOW_US, 1.0, 0)
    spool.close()
