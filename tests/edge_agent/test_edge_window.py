"""What goes out when, and how far the clock is off: pure, so every case is a line."""

from __future__ import annotations

import pytest

from edge_agent.sampling import worth_a_line
from edge_agent.uplink.offset import OffsetMeter
from edge_agent.uplink.window import AHEAD_SHARE, FIRST_RESEND_S, FIRST_UNDELIVERED_S, LAST_RESEND_S, Window

EPOCH = 7


def keys(*numbers: int) -> list[tuple[int, int]]:
    return [(EPOCH, number) for number in numbers]


def started(count: int, size: int = 8) -> Window:
    window = Window(size)
    for key in keys(*range(count)):
        assert window.take_turn(key, 0.0)
    return window


def test_the_window_has_room_for_its_size_and_again_for_what_is_settled():
    window = started(8)
    assert window.room == 0
    window.settled(EPOCH, 2, 1.0)
    assert (window.room, len(window)) == (3, 5)
    window.settled(EPOCH + 1, 7, 1.0)
    assert window.room == 3


def test_what_is_no_longer_there_to_be_sent_leaves_its_place():
    window = started(8)
    window.forget((EPOCH, 3))
    assert (window.room, len(window)) == (1, 7)
    assert (EPOCH, 3) not in window.overdue(FIRST_RESEND_S)


def test_nothing_goes_ahead_before_ingest_has_settled_something():
    window = started(8)
    assert window.room_ahead == 0
    window.settled(EPOCH, -1, 1.0)
    assert window.room_ahead == 0
    window.settled(EPOCH, 0, 1.0)
    assert window.room_ahead == 8 // AHEAD_SHARE


def test_a_fresh_batch_goes_ahead_of_a_backlog_once_and_then_takes_its_turn_without_being_sent_again():
    window = started(8)
    window.settled(EPOCH, 0, 1.0)
    window.go_ahead((EPOCH, 500), 1.0)
    assert (window.newest, window.frontier) == ((EPOCH, 500), (EPOCH, 7))
    assert window.room_ahead == 8 // AHEAD_SHARE - 1
    assert window.take_turn((EPOCH, 8), 2.0)
    assert not window.take_turn((EPOCH, 500), 3.0)
    assert (EPOCH, 500) in window.overdue(3.0 + FIRST_RESEND_S)


def test_a_batch_that_went_ahead_and_was_not_delivered_is_sent_in_its_turn():
    window = started(2)
    window.settled(EPOCH, 0, 1.0)
    window.go_ahead((EPOCH, 5), 1.0)
    window.not_delivered((EPOCH, 5), 1.0)
    assert window.newest == (EPOCH, 1)
    assert window.take_turn((EPOCH, 5), 2.0)


def test_what_is_not_acknowledged_is_overdue_ever_later():
    window = started(1)
    assert (window.overdue(FIRST_RESEND_S - 0.1), window.overdue(FIRST_RESEND_S)) == ([], keys(0))
    now = FIRST_RESEND_S
    waits = []
    for _ in range(6):
        window.sent_again((EPOCH, 0), now)
        waits.append(window.next_due_s() - now)
        now = window.next_due_s()
    assert waits == [20.0, 40.0, 60.0, 60.0, 60.0, LAST_RESEND_S]


def test_all_that_was_not_delivered_is_due_together_and_in_order_and_at_once_when_ingest_is_heard():
    window = started(4)
    window.not_delivered((EPOCH, 2), 1.0)
    window.not_delivered((EPOCH, 1), 1.5)
    assert window.overdue(1.0 + FIRST_UNDELIVERED_S) == keys(1, 2)
    window.settled(EPOCH, 0, 1.2)
    assert window.overdue(1.2) == keys(1, 2)


def test_what_was_lost_on_its_way_is_not_put_off_by_acknowledgements_that_stay_where_they_are():
    """Ingest takes what comes behind a loss and acknowledges up to it, again and again."""
    window = started(2)
    for second in range(1, 10):
        window.settled(EPOCH, -1, float(second))
    assert window.overdue(FIRST_RESEND_S) == keys(0, 1)
    window.settled(EPOCH, 0, FIRST_RESEND_S)
    assert window.overdue(FIRST_RESEND_S) == []
    assert window.next_due_s() == 2 * FIRST_RESEND_S


def test_a_round_trip_is_timed_for_the_batch_that_is_acknowledged():
    window = started(3)
    assert window.settled(EPOCH, 1, 5.0) == 0.0
    assert window.settled(EPOCH, 1, 6.0) is None
    assert window.settled(EPOCH, 9, 6.0) is None


def test_the_fastest_round_trip_counts_and_its_bound_holds():
    meter = OffsetMeter()
    assert meter.best(0.0) is None
    # Ingest's clock is 1 s behind; its answer is stamped at the very beginning of the first, slow round trip.
    meter.add(9_000_000, sent_s=0.0, now_s=4.0, now_us=14_000_000)
    slow = meter.best(4.0)
    assert (slow.offset_us, slow.error_us) == (3_000_000, 2_000_000)
    meter.add(19_010_000, sent_s=10.0, now_s=10.02, now_us=20_020_000)
    fast = meter.best(10.02)
    assert (fast.offset_us, fast.error_us) == (1_000_000, 10_000)
    assert meter.best(10.02 + 900.1) is None


@pytest.mark.parametrize(("step_us", "offset_us"), [(0, 0), (5_000_000, 5_000_000), (-5_000_000, -5_000_000)])
def test_a_clock_that_was_set_makes_the_old_round_trips_void(step_us, offset_us):
    meter = OffsetMeter()
    meter.add(1_000_000, sent_s=1.0, now_s=1.002, now_us=1_001_000)
    meter.add(2_000_000, sent_s=2.0, now_s=2.2, now_us=2_100_000 + step_us)
    assert meter.best(2.2).offset_us == offset_us


def test_bad_messages_are_sampled_into_the_log():
    assert [count for count in range(1, 70) if worth_a_line(count)] == [1, 2, 3, 4, 5, 8, 16, 32, 64]
