"""The count that the demonstration and the kill tests rest on can itself fail."""

from __future__ import annotations

from deploy.tally import produced_so_far, tally

LEDGER = "point,time_us,value\na,1,1.5\na,2,2.0\nb,1,3.0\n"


def counted(tmp_path, stored: str):
    ledger = tmp_path / "ledger.csv"
    ledger.write_text(LEDGER, encoding="utf-8")
    assert produced_so_far(ledger) == 3
    return tally(ledger, stored.splitlines(keepends=True))


def test_the_same_readings_in_any_order_and_spelling_are_exact(tmp_path):
    result = counted(tmp_path, "point,time_us,value,more\nb,1,3,x\na,2,2,x\na,1,1.50,x\n")
    assert (result.produced, result.stored, result.lost, result.doubled) == (3, 3, 0, 0)
    assert result.exact


def test_a_lost_a_doubled_and_a_foreign_reading_are_each_counted(tmp_path):
    assert not counted(tmp_path, "point,time_us,value\na,1,1.5\na,2,2.0\n").exact
    assert counted(tmp_path, "point,time_us,value\na,1,1.5\na,2,2.0\nb,1,3.0\nb,1,3.0\n").doubled == 1
    foreign = counted(tmp_path, "point,time_us,value\na,1,1.5\na,2,2.0\nb,1,3.1\n")
    assert (foreign.lost, foreign.doubled) == (1, 1)


def test_a_double_cannot_hide_a_loss(tmp_path):
    result = counted(tmp_path, "point,time_us,value\na,1,1.5\na,1,1.5\nb,1,3.0\n")
    assert result.produced == result.stored
    assert (result.lost, result.doubled) == (1, 1)
    assert not result.exact
