"""The ledger is an oracle: written once, never by two, never for another plant, and whole after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.errors import SimulatorError
from simulators.ledger import HEADER, Ledger, Row, read_plant

PLANT = {"scenario": "hengkang", "seed": 1}


def rows(*times_us: int, point: str = "so2") -> list[Row]:
    return [Row.good(point, time_us, time_us / 10) for time_us in times_us]


def ledger_with(path: Path, *times_us: int) -> None:
    with Ledger(path, PLANT) as ledger:
        ledger.append(rows(*times_us))


def test_rows_are_in_the_file_before_they_are_history(tmp_path):
    path = tmp_path / "ledger.csv"
    with Ledger(path, PLANT) as ledger:
        ledger.append([Row.good("so2", 5, 107.25), Row.good("line_state", 5, 1.0)])
        assert path.read_text(encoding="utf-8") == HEADER + "so2,5,107.25,0,5\nline_state,5,1.0,0,5\n"
        assert (list(ledger.times_us("so2")), list(ledger.column("so2").value)) == ([5], [107.25])


def test_restart_reads_back_every_row_and_writes_none_twice(tmp_path):
    path = tmp_path / "ledger.csv"
    ledger_with(path, 1, 2, 3)
    with Ledger(path, PLANT) as ledger:
        assert ledger.append(rows(2, 3, 4)) == rows(4)
        assert ledger.append(rows(4)) == []
        assert ledger.append(rows(1, point="ambient")) == rows(1, point="ambient")
        assert ledger.count() == 5
    assert path.read_text(encoding="utf-8").splitlines()[1:] == [
        "so2,1,0.1,0,1", "so2,2,0.2,0,2", "so2,3,0.3,0,3", "so2,4,0.4,0,4", "ambient,1,0.1,0,1",
    ]  # fmt: skip


@pytest.mark.parametrize("torn", ["so2,4", "so2,4,0.4,0,4"])
def test_line_torn_by_a_kill_was_never_produced(tmp_path, torn):
    path = tmp_path / "ledger.csv"
    ledger_with(path, 1, 2)
    with path.open("a", encoding="utf-8") as file:
        file.write(torn)
    with Ledger(path, PLANT) as ledger:
        assert list(ledger.times_us("so2")) == [1, 2]
        ledger.append(rows(4))
    assert path.read_text(encoding="utf-8").splitlines()[-2:] == ["so2,2,0.2,0,2", "so2,4,0.4,0,4"]


def test_ledger_is_never_continued_by_another_plant(tmp_path):
    path = tmp_path / "ledger.csv"
    ledger_with(path, 1)
    assert read_plant(path) == PLANT
    with pytest.raises(SimulatorError, match="seed 1, now 2"):
        Ledger(path, PLANT | {"seed": 2})
    ledger_with(path, 2)


def test_ledger_has_one_writer_at_a_time(tmp_path):
    path = tmp_path / "ledger.csv"
    with Ledger(path, PLANT), pytest.raises(SimulatorError, match="another simulator"):
        Ledger(path, PLANT)
    ledger_with(path, 1)


@pytest.mark.parametrize("text", ["point;time;value\n", HEADER + "so2,soon,1.0,0,1\n"])
def test_file_that_is_no_ledger_is_refused(tmp_path, text):
    path = tmp_path / "readings.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SimulatorError, match="name another file"):
        Ledger(path, PLANT)
    assert path.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "point,ti", HEADER])
def test_ledger_without_a_row_is_anyones(tmp_path, text):
    path = tmp_path / "ledger.csv"
    with Ledger(path, PLANT | {"seed": 2}):
        pass
    path.write_text(text, encoding="utf-8")
    ledger_with(path, 1)
    assert path.read_text(encoding="utf-8") == HEADER + "so2,1,0.1,0,1\n"
    assert read_plant(path) == PLANT


def test_receipts_are_remembered_until_the_ledger_starts_anew(tmp_path):
    path = tmp_path / "ledger.csv"
    with Ledger(path, PLANT) as ledger:
        assert ledger.delivered() == 0
        ledger.append(rows(1))
        ledger.save_delivered(1)
    with Ledger(path, PLANT) as ledger:
        assert ledger.delivered() == 1
    path.unlink()
    with Ledger(path, PLANT) as ledger:
        assert ledger.delivered() == 0


def test_reading_sent_twice_or_late_stands_in_the_order_in_which_it_was_sent(tmp_path):
    path = tmp_path / "ledger.csv"
    twice, late = Row("so2", 5, 1.0, 0, 7), Row("so2", 4, 2.0, 0, 7)
    with Ledger(path, PLANT) as ledger:
        assert ledger.append([twice, twice, late]) == [twice, twice, late]
        assert list(ledger.times_us("so2")) == [5, 5, 4]
        assert ledger.last_us("so2") == 7
    with Ledger(path, PLANT) as ledger:
        assert [ledger.row("so2", index) for index in range(3)] == [twice, twice, late]
