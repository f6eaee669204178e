"""Each fault does what it says to the readings of one point, within its days and nowhere else."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary, variant_to_binary

from simulators.errors import SimulatorError
from simulators.faults import BAD_STATUS, DAY_US, KINDS, YEAR_2000_US, Fault, Faults, Readings
from simulators.history import produced, rows_of
from simulators.opcua_server import data_value, variant_type
from simulators.plants import Plant
from simulators.scenarios import scenario
from simulators.timeline import CADENCE_US, Timeline

PLANT = scenario("hengkang").plant(1, Timeline(date(2025, 3, 1), 30, 2, 30))
FIRST, DAYS = 10, 5
OF_THE_FAULT = slice(FIRST * 96, (FIRST + DAYS) * 96)


def disturbed(kind: str, point: str = "so2", size: float | None = None, *, days: int | None = DAYS) -> Readings:
    usual = 7.0 if kind == "copied_days" else KINDS[kind].default_size
    chosen = usual if size is None else size
    return produced(PLANT, point, Faults((Fault(kind, point, chosen, FIRST, days),), seed=3))


def plain(point: str = "so2") -> Readings:
    return produced(PLANT, point, Faults())


def outside(readings: Readings) -> Readings:
    return readings.take(
        (readings.produced_us < PLANT.grid.day_starts_us[FIRST])
        | (readings.produced_us >= PLANT.grid.day_starts_us[FIRST + DAYS])
    )


def same(first: Readings, second: Readings) -> bool:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_fault_repeats_by_its_seed_and_befalls_no_other_point(kind):
    assert same(disturbed(kind, "ac_energy"), disturbed(kind, "ac_energy"))
    faults = Faults((Fault(kind, "ac_energy", KINDS[kind].default_size, FIRST, DAYS),))
    assert same(produced(PLANT, "so2", faults), plain())
    assert not same(disturbed(kind, "ac_energy"), plain("ac_energy"))
    assert np.all(np.diff(disturbed(kind, "ac_energy").produced_us) >= 0)


LOCAL = ("dropouts", "stuck", "spikes", "noise", "bad_status", "unit_change", "withheld", "clock_step", "year_2000")


@pytest.mark.parametrize("kind", [*LOCAL, "duplicates", "out_of_order"])
def test_fault_on_a_gauge_touches_its_own_days_only(kind):
    assert same(outside(disturbed(kind)), outside(plain()))


def test_dropouts_lose_the_share_that_they_say():
    lost = len(plain()) - len(disturbed("dropouts", size=0.1))
    assert 0.1 * DAYS * 96 <= lost <= 0.1 * DAYS * 96 + 12


def test_stuck_device_repeats_one_value():
    values = disturbed("stuck").value[OF_THE_FAULT]
    assert set(values) == {plain().value[FIRST * 96]}


def test_spikes_are_few_and_large():
    spiked = disturbed("spikes", days=None).value / plain().value
    hit = spiked != 1
    assert 0.0003 < hit.mean() < 0.003
    assert set(np.round(spiked[hit], 9)) == {10.0}


def test_scaled_meter_counts_less_from_then_on_and_keeps_its_register():
    true, seen = plain("metal_tapped").value, disturbed("scaled", "metal_tapped", 0.97).value
    steps = np.diff(true)[OF_THE_FAULT]
    assert np.diff(seen)[OF_THE_FAULT][:-1] == pytest.approx(0.97 * steps[:-1], abs=0.011)
    assert seen[: FIRST * 96] == pytest.approx(true[: FIRST * 96])
    assert np.diff(seen)[-100:] == pytest.approx(np.diff(true)[-100:], abs=0.011)


def test_drift_reaches_its_size_after_thirty_days():
    true, seen = plain("metal_tapped").value, disturbed("drift", "metal_tapped", 0.03, days=None).value
    day = FIRST + 30
    ratio = np.diff(seen)[day * 96 : (day + 1) * 96].sum() / np.diff(true)[day * 96 : (day + 1) * 96].sum()
    assert ratio == pytest.approx(1.03, abs=0.001)


def test_register_that_is_reset_begins_at_zero_and_one_that_is_replaced_counts_otherwise():
    true = plain("metal_tapped").value
    reset, replaced = disturbed("counter_reset", "metal_tapped").value, disturbed("meter_replaced", "metal_tapped", 0.5)
    assert reset[FIRST * 96] == 0
    assert np.diff(reset)[FIRST * 96 :] == pytest.approx(np.diff(true)[FIRST * 96 :])
    assert replaced.value[FIRST * 96] == 0
    assert np.diff(replaced.value)[FIRST * 96 : FIRST * 96 + 50] == pytest.approx(
        0.5 * np.diff(true)[FIRST * 96 : FIRST * 96 + 50], abs=0.011
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whatever_befalls_a_register_it_shows_its_own_digits_and_no_sign(kind):
    """A new meter turns over later than the old one; a server cannot send what its register cannot show."""
    modulus = PLANT.points["ac_energy"].modulus
    assert modulus is not None
    assert np.any(np.diff(plain("ac_energy").value) < 0)  # the plain register turns over in these days
    seen = disturbed(kind, "ac_energy", days=None).value
    assert seen.min() >= 0
    assert seen.max() < modulus


WHOLE = [name for name, point in PLANT.points.items() if point.integer]


SIZES = [(kind, size) for kind in sorted(KINDS) for size in (None, *KINDS[kind].sizes)]


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_whatever_befalls_a_count_it_stays_a_whole_number_that_can_be_sent(kind, size):
    """One rounding, before ledger and wire: else the ledger would keep what the wire cannot carry."""
    for point in WHOLE:
        seen = disturbed(kind, point, size)
        assert np.array_equal(seen.value, np.rint(seen.value)), point
        wire = variant_type(PLANT.points[point])
        extremes = np.array([seen.value.argmin(), seen.value.argmax()])
        for row in rows_of(point, seen.take(extremes)):
            sent = variant_from_binary(Buffer(variant_to_binary(data_value(row, wire).Value))).Value
            assert sent == row.value, point


def test_a_size_that_no_register_can_show_ends_at_the_greatest_number_of_its_type():
    assert disturbed("forced", "line_state", 1e12).value[OF_THE_FAULT][0] == 2**31 - 1
    assert disturbed("forced", "line_state", -1e12).value[OF_THE_FAULT][0] == -(2**31)
    assert disturbed("forced", "anode_effects", -5.0).value[OF_THE_FAULT][0] == 0


@pytest.mark.parametrize(("kind", "size"), [("noise", 0.02), ("scaled", 0.97), ("unit_change", 0.001)])
@pytest.mark.parametrize("point", ["staff_on_shift", "anode_effects", "line_state"])
def test_client_sees_of_a_disturbed_count_what_the_ledger_holds(kind, size, point):
    seen = disturbed(kind, point, size).take(np.arange((FIRST + DAYS) * 96))
    wire = variant_type(PLANT.points[point])
    sent = [data_value(row, wire).Value.Value for row in rows_of(point, seen)]
    assert sent == seen.value.tolist()
    assert {type(value) for value in sent} == {int}


def test_noise_on_a_count_is_rounded_to_the_nearest_and_not_cut():
    true, seen = plain("staff_on_shift").value, disturbed("noise", "staff_on_shift", 0.05, days=None).value
    error = (seen - true)[FIRST * 96 :]
    assert np.count_nonzero(error) > 0.5 * len(error)
    assert abs(error.mean()) < 0.1, "cutting would take half a head from each"


def test_register_with_fewer_digits_rolls_over():
    seen = disturbed("rollover", "metal_tapped", 1000.0).value
    assert seen.max() < 1000
    assert np.mod(np.diff(seen), 1000) == pytest.approx(np.diff(plain("metal_tapped").value))
    assert np.count_nonzero(np.diff(seen) < 0) > 10


def test_clock_faults_move_the_source_time_and_not_the_value():
    stepped, skewed, ancient = (disturbed(kind) for kind in ("clock_step", "clock_skew", "year_2000"))
    for seen in (stepped, skewed, ancient):
        assert np.array_equal(seen.value, plain().value)
        assert np.array_equal(seen.produced_us, plain().produced_us)
    assert np.unique(stepped.time_us - stepped.produced_us).tolist() == [0, 3_600_000_000]
    one_day_on = (FIRST + 1) * 96
    assert skewed.time_us[one_day_on] - skewed.produced_us[one_day_on] == 20_000_000
    assert ancient.time_us[FIRST * 96] == YEAR_2000_US


def test_duplicates_and_disorder_keep_every_reading():
    doubled, shuffled = disturbed("duplicates", size=0.2), disturbed("out_of_order", size=0.2)
    assert np.array_equal(np.unique(doubled.time_us), plain().time_us)
    assert 50 < len(doubled) - len(plain()) < 150
    assert np.array_equal(np.sort(shuffled.time_us), plain().time_us)
    assert 20 < np.count_nonzero(np.diff(shuffled.time_us) < 0) < 100


def test_bad_status_comes_with_a_meaningless_value():
    seen = disturbed("bad_status", size=0.2)
    bad = seen.status == BAD_STATUS
    assert 50 < np.count_nonzero(bad) < 150
    assert np.all(seen.value[bad] == 0)
    assert np.array_equal(seen.value[~bad], plain().value[~bad])


def test_copied_days_repeat_and_a_copied_counter_still_looks_whole():
    shift = 7 * 96
    gauge, counter = disturbed("copied_days", size=7).value, disturbed("copied_days", "metal_tapped", 7).value
    copy = np.arange(OF_THE_FAULT.start, OF_THE_FAULT.stop)
    assert np.array_equal(gauge[copy], gauge[copy - shift])
    steps = np.diff(counter, prepend=counter[0])
    assert steps[copy] == pytest.approx(steps[copy - shift], abs=0.011)
    assert np.all(steps >= 0)


def test_unknown_fault_is_refused_with_the_known_ones():
    with pytest.raises(SimulatorError, match="dropouts"):
        Fault("gremlins", "so2", 1.0)


def demanded(**changes: float) -> Plant:
    from simulators.scenarios import with_parameters  # noqa: PLC0415

    return with_parameters(scenario("hengkang"), **changes).plant(1, Timeline(date(2025, 3, 1), 60, 2, 30))


def test_curtailment_by_order_and_a_shifted_load_change_the_output_and_not_the_truth():
    usual, changed = demanded(), demanded(curtailed_days=5, load_after=0.9)
    daily = [
        np.diff(made.series_us("metal_tapped", made.first_us, made.last_us)[1][::96])[:91] for made in (usual, changed)
    ]
    ratio = daily[1] / daily[0]
    assert ratio[:39] == pytest.approx(1.0, abs=0.002)
    assert ratio[41:44] == pytest.approx(0.6, abs=0.01)
    assert ratio[64:90] == pytest.approx(0.9, abs=0.01)
    assert changed.truth() == usual.truth()
    assert CADENCE_US * 96 == DAY_US
