"""The session of a Sparkplug edge node: what counts, what is in the dark, when a birth is asked for. Pure."""

from __future__ import annotations

import tracemalloc

import pytest

from verification.errors import FormatError
from verification.sparkplug import DataType, Metric, Payload, read_topic
from verification.sparkplug_node import LOST, OFFLINE, REORDER_US, Dark, EdgeNode, Outcome

T = 1_700_000_000_000  # milliseconds
ENERGY = Metric("Energy", 10.0, DataType.DOUBLE, alias=1)
POWER = Metric("Power", 2, DataType.INT32, alias=2)


class Talk:
    """One node with the point `energy` of device `meter` and the point `state` of its own, and its messages."""

    def __init__(self, seen_us: tuple[int, ...] = ()) -> None:
        self.node = EdgeNode({("meter", "Energy"): "energy", ("", "State"): "state"}, seen_us)
        self.ms = T

    def say(self, what: str, *metrics: Metric, seq: int | None = None, bd_seq: int | None = None, at: int = 0):
        """A message a second after the last, or at T + `at` seconds."""
        self.ms = T + at * 1_000 if at else self.ms + 1_000
        kind, _, device = what.partition(" ")
        if bd_seq is not None:
            metrics += (Metric("bdSeq", bd_seq, DataType.UINT64),)
        topic = read_topic(f"spBv1.0/g/{kind}/n/{device}" if device else f"spBv1.0/g/{kind}/n")
        return self.node.take(topic, Payload(metrics, self.ms, seq), self.ms * 1_000)

    def born(self) -> Outcome:
        """Births with the numbers 0 and 1; returns what the device's came to."""
        self.say("NBIRTH", Metric("State", 1, DataType.UINT8, alias=9), seq=0, bd_seq=4)
        return self.say("DBIRTH meter", ENERGY, POWER, seq=1)


@pytest.fixture
def talk() -> Talk:
    made = Talk()
    made.born()
    return made


def values(outcome: Outcome) -> list[tuple[str, float]]:
    return [(sample.point, sample.value) for sample in outcome.samples]


def test_a_birth_states_values_and_the_first_one_leaves_nothing_in_the_dark():
    out = Talk().born()
    assert (values(out), out.dark) == ([("energy", 10.0)], [])
    assert (out.samples[0].birth, out.samples[0].time_us) == (True, (T + 2_000) * 1_000)


def test_data_is_read_by_alias_or_name_with_the_type_of_the_birth_and_its_own_time(talk):
    out = talk.say("DDATA meter", Metric(alias=1, value=11.0, time_ms=T + 500, historical=True), seq=2)
    assert (values(out), out.samples[0].time_us, out.samples[0].historical) == (
        [("energy", 11.0)],
        (T + 500) * 1_000,
        True,
    )
    assert values(talk.say("NDATA", Metric("State", 0), seq=3)) == [("state", 0.0)]


@pytest.mark.parametrize(
    ("quality", "status"), [(None, 0), (192, 0), (500, 0x40000000), (0, 0x80000000), (7, 0x80000000)]
)
def test_quality_becomes_an_opc_ua_status(talk, quality, status):
    out = talk.say("DDATA meter", Metric(alias=1, value=1.0, quality=quality), seq=2)
    assert [sample.status for sample in out.samples] == [status]


def test_before_a_birth_nothing_counts_and_the_birth_is_asked_for():
    talk = Talk()
    assert talk.say("DDATA meter", Metric("Energy", 1.0, DataType.DOUBLE), seq=5).samples == []
    assert "before the node's birth" in talk.node.birth_wanted


@pytest.mark.parametrize(
    ("what", "metric"),
    [
        ("DDATA meter", Metric(alias=77, value=1.0)),
        ("DDATA meter", Metric(alias=9, value=1)),  # the node's own, not the device's
        ("DDATA another", Metric(alias=1, value=1.0)),
    ],
    ids=["unknown alias", "another device's alias", "a device without a birth"],
)
def test_what_no_birth_has_named_is_not_read_and_the_birth_is_asked_for(talk, what, metric):
    assert talk.say(what, metric, seq=2).samples == []
    assert talk.node.birth_wanted
    talk.born()
    assert talk.node.birth_wanted == ""


def test_messages_that_overtook_each_other_all_count_and_nothing_is_asked_for(talk):
    for seq in (3, 2, 5, 4):
        assert values(talk.say("DDATA meter", Metric(alias=1, value=float(seq)), seq=seq)) == [("energy", float(seq))]
    talk.node.give_up((talk.ms + 60_000) * 1_000)
    assert talk.node.birth_wanted == ""


def test_a_lost_message_is_waited_for_then_the_points_are_in_the_dark_until_the_next_birth(talk):
    before_us = talk.ms * 1_000
    assert values(talk.say("DDATA meter", Metric(alias=1, value=13.0), seq=4)) == [("energy", 13.0)]
    arrived_us = talk.ms * 1_000
    talk.node.give_up(arrived_us + REORDER_US - 1)
    assert talk.node.birth_wanted == ""
    talk.node.give_up(arrived_us + REORDER_US)
    assert "[2, 3]" in talk.node.birth_wanted
    node = talk.say("NBIRTH", Metric("State", 1, DataType.UINT8), seq=0, bd_seq=4, at=60)
    device = talk.say("DBIRTH meter", ENERGY, seq=1, at=61)
    assert node.dark == [Dark(("state",), before_us, (T + 60_000) * 1_000, LOST)]
    assert device.dark == [Dark(("energy",), before_us, (T + 61_000) * 1_000, LOST)]


def test_the_sequence_goes_on_from_255_to_0(talk):
    for number in range(2, 300):
        out = talk.say("DDATA meter", Metric(alias=1, value=1.0), seq=number % 256)
        assert len(out.samples) == 1
    talk.node.give_up((talk.ms + 60_000) * 1_000)
    assert talk.node.birth_wanted == ""


def test_a_repeated_message_counts_once(talk):
    talk.say("DDATA meter", Metric(alias=1, value=1.0), seq=2)
    again = talk.say("DDATA meter", Metric(alias=1, value=1.0), seq=2)
    assert (again.samples, again.doubles, talk.node.birth_wanted) == ([], 1, "")


@pytest.mark.parametrize(("bd_seq", "dies"), [(4, True), (3, False), (None, True)])
def test_only_the_death_of_this_birth_counts(talk, bd_seq, dies):
    """An old connection's will may arrive after the new birth."""
    talk.say("NDEATH", bd_seq=bd_seq)
    assert talk.node.online is not dies


def test_from_a_death_to_the_next_birth_the_points_are_in_the_dark(talk):
    heard_us = talk.ms * 1_000
    talk.say("NDEATH", bd_seq=4)
    talk.ms = T + 100_000
    assert talk.born().dark == [Dark(("energy",), heard_us, talk.ms * 1_000, OFFLINE)]


def test_a_device_may_die_alone(talk):
    talk.say("DDEATH meter", seq=2)
    assert talk.node.birth_wanted == ""
    assert talk.say("DDATA meter", Metric(alias=1, value=1.0), seq=3).samples == []
    assert talk.node.birth_wanted
    assert values(talk.say("NDATA", Metric("State", 0), seq=4)) == [("state", 0.0)]
    assert [dark.reason for dark in talk.say("DBIRTH meter", ENERGY, seq=5).dark] == [OFFLINE]


def test_what_was_read_before_a_restart_or_a_lost_connection_begins_the_dark(talk):
    seen_us = (T - 50_000) * 1_000
    assert Talk((seen_us,)).born().dark == [Dark(("energy",), seen_us, (T + 2_000) * 1_000, OFFLINE)]
    heard_us = talk.ms * 1_000
    talk.node.disconnected()
    assert talk.born().dark == [Dark(("energy",), heard_us, talk.ms * 1_000, OFFLINE)]


@pytest.mark.parametrize(
    ("metric", "refusals"),
    [
        (Metric("Energy", "much", DataType.STRING), 1),
        (Metric("Energy", None, 16), 1),
        (Metric("Energy", None, DataType.DOUBLE), 0),
        (Metric("Other", 1.0, DataType.DOUBLE), 1),
        (Metric("Energy", 1.0, DataType.DOUBLE, time_ms=2**63), 1),
    ],
    ids=["text", "data set", "null", "no such metric", "far future"],
)
def test_a_birth_shows_at_once_what_cannot_be_read(metric, refusals):
    talk = Talk()
    talk.say("NBIRTH", Metric("State", 1, DataType.UINT8), seq=0)
    out = talk.say("DBIRTH meter", metric, seq=1)
    assert (out.samples, len(out.refused)) == ([], refusals)


def test_a_payload_of_an_impossible_time_is_malformed(talk):
    with pytest.raises(FormatError):
        talk.node.take(read_topic("spBv1.0/g/NDATA/n"), Payload((), 2**60, 2), 0)


@pytest.mark.parametrize("device", ["meter", "meter-{}"])
def test_a_node_that_is_born_with_ever_other_names_takes_no_more_memory(talk, device):
    tracemalloc.start()
    for n in range(60):
        metrics = [Metric(f"{n} {i}".ljust(1_000), 1.0, DataType.DOUBLE, alias=1000 * n + i) for i in range(200)]
        talk.say(f"DBIRTH {device.format(n)}", *metrics, seq=2 + 2 * n)
        talk.say(f"DDEATH {device.format(n)}", seq=3 + 2 * n)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1 << 20


def test_a_device_that_nobody_asks_for_is_left_alone(talk):
    assert talk.say("DBIRTH pump", Metric("Head", 1.0, DataType.DOUBLE, alias=77), seq=2) == Outcome()
    assert talk.say("DDATA pump", Metric(alias=77, value=1.0), seq=3) == Outcome()
    assert talk.node.birth_wanted == ""
    assert values(talk.say("DDATA meter", Metric(alias=1, value=11.0), seq=4)) == [("energy", 11.0)]
