"""From an OPC UA DataValue to a reading, and the small parts: waiting times and the clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from asyncua import ua

from edge_agent.backoff import Backoff
from edge_agent.clock import clock_state
from edge_agent.sources.opcua.values import ValueRefusedError, reading
from verification.batch import CLOCK_STATES

NOW_US = 42
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
MOMENT_US = 1_772_323_200_000_000
NULL_TIME = datetime(1601, 1, 1, tzinfo=UTC)


def data(value: object, kind: ua.VariantType, *, status: int = 0, source=MOMENT, server=MOMENT) -> ua.DataValue:
    return ua.DataValue(
        ua.Variant(value, kind),
        StatusCode=ua.StatusCode(status),
        SourceTimestamp=source,
        ServerTimestamp=server,
    )


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1.5, ua.VariantType.Double, 1.5),
        (7, ua.VariantType.UInt64, 7.0),
        (True, ua.VariantType.Boolean, 1.0),
        (math.inf, ua.VariantType.Float, math.inf),
    ],
)
def test_numbers_and_booleans_are_readings_with_source_and_server_time(value, kind, expected):
    assert reading(data(value, kind, status=0x40000000), NOW_US) == (
        MOMENT_US,
        expected,
        0x40000000,
        MOMENT_US,
    )


@pytest.mark.parametrize(
    ("source", "server", "expected"),
    [
        (NULL_TIME, MOMENT, (MOMENT_US, MOMENT_US)),
        (None, MOMENT, (MOMENT_US, MOMENT_US)),
        (MOMENT, None, (MOMENT_US, MOMENT_US)),
        (None, NULL_TIME, (NOW_US, NOW_US)),
    ],
)
def test_a_missing_source_time_is_the_server_time_and_a_missing_one_the_agents(source, server, expected):
    found = reading(data(1.0, ua.VariantType.Double, source=source, server=server), NOW_US)
    assert (found.time_us, found.server_time_us) == expected


def test_a_null_value_with_a_bad_status_is_nan_and_with_a_good_one_refused():
    found = reading(data(None, ua.VariantType.Null, status=0x80320000), NOW_US)
    assert math.isnan(found.value)
    assert found.status == 0x80320000
    with pytest.raises(ValueRefusedError):
        reading(data(None, ua.VariantType.Null), NOW_US)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("12", ua.VariantType.String), ([1.0, 2.0], ua.VariantType.Double), (MOMENT, ua.VariantType.DateTime)],
)
def test_what_is_not_one_number_is_refused(value, kind):
    with pytest.raises(ValueRefusedError):
        reading(data(value, kind), NOW_US)


@pytest.mark.parametrize(
    ("moment", "taken"), [(datetime(2200, 1, 1, tzinfo=UTC), True), (datetime(2200, 1, 2, tzinfo=UTC), False)]
)
def test_a_time_after_2200_is_refused(moment, taken):
    value = data(1.0, ua.VariantType.Double, source=moment)
    if taken:
        assert reading(value, NOW_US).value == 1.0
    else:
        with pytest.raises(ValueRefusedError):
            reading(value, NOW_US)


@pytest.mark.parametrize(
    ("status", "overflowed"), [(0, False), (0x80, False), (0x400, False), (0x480, True), (0x40000480, True)]
)
def test_the_overflow_bit_counts_only_with_its_info_type(status, overflowed):
    assert reading(data(1.0, ua.VariantType.Double, status=status), NOW_US).overflowed is overflowed


def test_waiting_times_double_up_to_their_bound_and_begin_again_after_a_success():
    backoff = Backoff(1.0, 4.0)
    for step_s in (1.0, 2.0, 4.0, 4.0):
        assert step_s / 2 <= backoff.next_s() <= step_s
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_the_clock_state_is_one_that_a_batch_header_can_carry():
    assert clock_state().state in CLOCK_STATES
