"""What an ingest process says of itself: the lag and its alarm, and log lines that a collector can read."""

from __future__ import annotations

import json
import logging

import pytest

from ingest import logs
from ingest.admission import Arrival, Code, Decision
from ingest.health import LAG_WINDOW_US, Health
from tests.ingest.builders import START_US, Device, rows

SECOND_US = 1_000_000


def committed(health: Health, *ages_s: float, at_us: int) -> None:
    """One group whose batches were signed so long before they were committed."""
    at_us += START_US
    made = [Device().seal(rows(4), signed_at_us=at_us - int(age_s * SECOND_US)) for age_s in ages_s]
    decisions = [Decision(Arrival.of("potline-1", data), Code.ACCEPTED, settles=True, payload=rows(4)) for data in made]
    health.note_group(decisions, commit_s=0.01, committed_at_us=at_us)


def figure(health: Health, name: str) -> float | None:
    return health.metrics.registry.get_sample_value(f"retroproof_ingest_{name}")


def test_a_backlog_among_fresh_batches_is_no_lag(caplog):
    health = Health(lag_alarm_s=300)
    committed(health, 86_400, 2, at_us=10 * LAG_WINDOW_US)
    committed(health, 86_400, 1.5, 40, at_us=10 * LAG_WINDOW_US + 5)
    committed(health, 86_400, at_us=11 * LAG_WINDOW_US)
    assert figure(health, "lag_seconds") == pytest.approx(1.5)
    assert figure(health, "lag_alarm") == 0
    assert figure(health, "rows_total") == 6 * 4
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR and "fresh" in record.message]


def test_the_alarm_rings_when_even_the_freshest_batch_is_old_and_ends_when_it_is_not(caplog):
    health = Health(lag_alarm_s=300)
    for minute in range(2):
        committed(health, 400, 301, at_us=minute * LAG_WINDOW_US)
    assert figure(health, "lag_alarm") == 1
    assert "even the freshest batch of the last minute is 301 s old" in caplog.text
    committed(health, 2, at_us=2 * LAG_WINDOW_US)
    committed(health, 400, at_us=3 * LAG_WINDOW_US)
    assert figure(health, "lag_alarm") == 0
    assert figure(health, "lag_seconds") == 2


def test_what_is_missing_is_named_and_a_broker_is_missed_only_where_one_is_configured():
    health = Health()
    assert health.lacking == ["database"]
    health.database = True
    assert health.lacking == []
    health.broker = False
    assert health.lacking == ["broker"]
    assert health.metrics.registry.get_sample_value("retroproof_ingest_up", {"to": "broker"}) == 0


@pytest.fixture
def root_logger():
    """As it was before, after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("root_logger")
def test_a_log_line_is_one_json_object_with_its_traceback_inside(capsys):
    logs.configure("info", "json")
    log = logging.getLogger("ingest.test")
    log.debug("not this")
    log.info("refused: code=%s", "冲突")
    try:
        int("x")
    except ValueError:
        log.exception("broken")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "ingest.test", "refused: code=冲突")
    assert first["time"].endswith("+00:00")
    assert "ValueError" in second["error"]


@pytest.mark.usefixtures("root_logger")
def test_what_a_stranger_writes_stays_within_its_line(capsys):
    logs.configure("info", "text")
    logging.getLogger("ingest.test").warning("not taken: %s", "pump\n2026-01-01 INFO all is well\r\x1b[2J\x85\u2028泵")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r"not taken: pump\n2026-01-01 INFO all is well\r\x1b[2J\x85\u2028泵")
