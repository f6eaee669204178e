"""The OPC UA source against a real server: history and live values meet without a loss and without a double."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from edge_agent.clock import now_us
from edge_agent.status import PointStatus
from tests.edge_agent.support import AgentProcess, Line, wait_for
from verification.model import RowFlag, Rows

MINUTE_US = 60_000_000
UNCERTAIN_LAST_USABLE_VALUE = 0x40900000
DEFAULTS = {"security": "None", "sampling_ms": 50, "publishing_ms": 50}


def opcua_source(server: Line, *names: str, **changes: object) -> dict[str, object]:
    points = {name: {"node": server.node(name), "unit": "kWh", "kind": "counter"} for name in names}
    return {"line": {"opcua": server.url, **DEFAULTS, "points": points, **changes}}


def history(name: str, count: int, *, start_us: int, step_us: int = MINUTE_US) -> list[tuple[str, int, float]]:
    return [(name, start_us + i * step_us, float(i)) for i in range(count)]


def point(agent: AgentProcess, name: str) -> PointStatus:
    return agent.status().sources["line"].points[name]


def is_live(agent: AgentProcess, *names: str) -> bool:
    return all(point(agent, name).state == "live" for name in names)


def live_agent(make_agent, server: Line, name: str = "a", **changes: object) -> AgentProcess:
    """An agent that reads one node of this server and says that it is live."""
    agent = make_agent(sources=opcua_source(server, name, **changes))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: is_live(agent, name), f"{name} is live")
    return agent


def live_without_history(make_agent, make_opcua, **changes: object) -> tuple[Line, AgentProcess]:
    """A server whose one node, p, has no history, and an agent that reads it."""
    server = make_opcua(plain=["p"])
    return server, live_agent(make_agent, server, "p", **changes)


def assert_exactly(agent: AgentProcess, expected: list[tuple[str, int, float]]) -> None:
    """Every expected reading has arrived once, and nothing else has."""
    wait_for(lambda: len(agent.ingest.rows()) >= len(expected), f"{len(expected)} readings")
    missing = Counter(expected) - Counter(agent.ingest.rows())
    besides = Counter(agent.ingest.rows()) - Counter(expected)
    assert (list(missing)[:5], list(besides)[:5]) == ([], [])
    assert agent.ingest.problems == []


def test_history_comes_whole_although_several_values_share_a_time_and_pages_are_short(make_agent, make_opcua):
    server = make_opcua(points=["a"], page=7)
    start = now_us() - 3_600_000_000
    rows = [("a", start + (i // 3) * MINUTE_US, float(i)) for i in range(100)]
    server.tell(history=rows)
    agent = make_agent(sources=opcua_source(server, "a"))
    agent.ingest.start()
    agent.start()
    assert_exactly(agent, rows)
    assert {flags for *_, flags in agent.ingest.flagged_rows()} == {RowFlag.BACKFILLED}


def test_live_values_follow_history_without_loss_or_double(make_agent, make_opcua):
    server = make_opcua(points=["a", "b"])
    start = now_us() - 3_600_000_000
    rows = history("a", 50, start_us=start) + history("b", 50, start_us=start)
    server.tell(history=rows)
    agent = make_agent(sources=opcua_source(server, "a", "b"))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: is_live(agent, "b"), "b is live")
    live = [(name, now_us() + i, float(i // 2)) for i in range(40) for name in ("a", "b")]
    server.tell(write=live)
    assert_exactly(agent, rows + live)
    shown = point(agent, "b")
    assert (shown.asked_sampling_ms, shown.revised_queue) == (50, 1000)


def test_the_agent_may_be_killed_at_any_time(make_agent, make_opcua):
    """kill -9 while it reads history and while it reads live: nothing is lost, nothing comes twice."""
    server = make_opcua(points=["a", "b"], page=50)
    start = now_us() - 10 * 3_600_000_000
    rows = history("a", 2000, start_us=start, step_us=10_000_000) + history(
        "b", 2000, start_us=start, step_us=10_000_000
    )
    server.tell(history=rows)
    agent = make_agent(sources=opcua_source(server, "a", "b"))
    agent.ingest.start()
    for part in (0.1, 0.6):
        agent.start()
        wait_for(lambda part=part: len(agent.ingest.rows()) > part * len(rows), "part of the history")
        agent.kill()
    agent.start()
    for _ in range(3):
        wait_for(lambda: is_live(agent, "a", "b"), "both are live")
        live = [(name, now_us() + i, float(i)) for i in range(100) for name in ("a", "b")]
        rows += live
        server.tell(write=live[:120])
        agent.kill()
        server.tell(write=live[120:])
        agent.start()
    assert_exactly(agent, rows)


def test_the_server_may_be_killed_and_come_back(make_agent, own_opcua):
    rows = history("a", 20, start_us=now_us() - 3_600_000_000)
    own_opcua.tell(history=rows)
    agent = live_agent(make_agent, own_opcua)
    live = [("a", now_us() + i, float(i)) for i in range(50)]
    own_opcua.tell(write=live)
    own_opcua.server.kill()
    wait_for(lambda: agent.status().sources["line"].state == "disconnected", "the break is noticed")
    unseen = [("a", now_us() + i, 100.0 + i) for i in range(10)]
    own_opcua.restart()
    own_opcua.tell(write=unseen)
    assert_exactly(agent, rows + live + unseen)


def test_a_history_that_lags_behind_its_subscription_loses_nothing(make_agent, make_opcua):
    server = make_opcua(points=["a"], lag_s=1.0)
    rows = history("a", 20, start_us=now_us() - 3_600_000_000)
    server.tell(history=rows)
    rows += [("a", now_us(), 1000.0), ("a", now_us() + 1, 1001.0)]
    server.tell(write=rows[-2:])
    agent = live_agent(make_agent, server)
    rows.append(("a", now_us() + 2, 1002.0))
    server.tell(write=rows[-1:])
    assert_exactly(agent, rows)


def test_what_a_history_does_not_show_in_time_is_inside_a_signed_gap(make_agent, own_opcua):
    """It shows values a minute after they came; nobody waits for that after a break, so what is missing is admitted."""
    rows = history("a", 20, start_us=now_us() - 3_600_000_000)
    own_opcua.tell(history=rows)
    agent = live_agent(make_agent, own_opcua)
    agent.kill()
    own_opcua.forget_sessions()
    own_opcua.server.tell(lag_s=60)
    unseen = [("a", now_us() + i, 100.0 + i) for i in range(5)]
    own_opcua.tell(write=unseen)
    agent.start()
    assert_exactly(agent, rows + unseen[-1:])
    wait_for(agent.ingest.gaps, "the gap")
    (gap,) = agent.ingest.gaps()
    assert (gap.start_us, gap.end_us, gap.reason) == (rows[-1][1], unseen[-1][1], "outage")


def test_two_samples_at_one_time_at_the_seam_are_both_kept(make_agent, make_opcua):
    server = make_opcua(points=["a"])
    moment = now_us() - 1_000_000
    rows = [("a", moment, 1.0), ("a", moment, 2.0)]
    server.tell(history=rows)
    agent = live_agent(make_agent, server)
    rows += [("a", moment, 3.0), ("a", moment, 2.0), ("a", moment + 1, 4.0)]
    server.tell(write=rows[2:])
    assert_exactly(agent, rows)


def test_an_outage_of_a_node_without_history_is_a_signed_gap_where_the_server_forgot_us(make_agent, make_opcua):
    server, agent = live_without_history(make_agent, make_opcua)
    before = [("p", now_us() + i, float(i)) for i in range(5)]
    server.tell(show=[(*row, 0) for row in before])
    wait_for(lambda: set(before) <= set(agent.ingest.rows()), "the values before the break")
    agent.kill()
    server.forget_sessions()
    after = ("p", now_us(), 99.0)
    server.tell(show=[(*after, 0)])
    agent.start()
    wait_for(agent.ingest.gaps, "a gap")
    (gap,) = agent.ingest.gaps()
    assert (gap.start_us, gap.end_us, gap.reason) == (before[-1][1], after[1], "outage")
    wait_for(lambda: after in agent.ingest.rows(), "the value after the break")
    assert Counter(agent.ingest.rows())[after] == 1


def test_the_same_sample_seen_again_in_a_new_session_is_neither_a_double_nor_a_gap(make_agent, make_opcua):
    server, agent = live_without_history(make_agent, make_opcua)
    row = ("p", now_us(), 5.0)
    server.tell(show=[(*row, 0)])
    wait_for(lambda: row in agent.ingest.rows(), "the value")
    agent.kill()
    server.forget_sessions()
    agent.start()
    wait_for(lambda: agent.status().sources["line"].doubles == 1, "the sample is recognised")
    row_after = ("p", now_us(), 6.0)
    server.tell(show=[(*row_after, 0)])
    wait_for(lambda: row_after in agent.ingest.rows(), "the next value")
    assert Counter(agent.ingest.rows())[row] == 1
    assert agent.ingest.gaps() == []


def test_the_same_value_and_time_with_another_status_is_news_also_across_a_break(make_agent, make_opcua):
    """What a server says of a device that it has lost: the value of before, as of before, but uncertain."""
    server, agent = live_without_history(make_agent, make_opcua)
    row = ("p", now_us(), 5.0)
    server.tell(show=[(*row, 0)])
    wait_for(lambda: row in agent.ingest.rows(), "the value")
    agent.kill()
    server.forget_sessions()
    server.tell(show=[(*row, UNCERTAIN_LAST_USABLE_VALUE)])
    agent.start()
    wait_for(lambda: Counter(agent.ingest.rows())[row] == 2, "the value that has become uncertain")
    (*_, last) = [payload for payload in agent.ingest.payloads() if isinstance(payload, Rows)]
    assert last.status[-1] == UNCERTAIN_LAST_USABLE_VALUE


def test_the_overflow_bit_of_a_node_without_history_becomes_a_signed_gap(make_agent, make_opcua):
    server, agent = live_without_history(make_agent, make_opcua)
    first, second = now_us(), now_us() + 1_000_000
    server.tell(show=[("p", first, 1.0, 0), ("p", second, 2.0, 0x480)])
    wait_for(agent.ingest.gaps, "a gap")
    (gap,) = agent.ingest.gaps()
    assert (gap.start_us, gap.end_us, gap.reason) == (first, second, "queue_overflow")


def test_the_overflow_bit_of_a_node_with_history_is_mended_from_it(make_agent, make_opcua):
    server = make_opcua(points=["a"])
    rows = history("a", 3, start_us=now_us() - 3_600_000_000)
    server.tell(history=rows)
    agent = live_agent(make_agent, server)
    moment = now_us()
    unseen = [("a", moment + i, 10.0 + i) for i in range(5)]
    # What the queue dropped is in the history only; the value that carries the bit is in both.
    server.tell(silent_history=unseen, show=[(*unseen[-1], 0x480)])
    assert_exactly(agent, rows + unseen)
    assert agent.ingest.gaps() == []


def through_a_break(agent: AgentProcess, server: Line, order: str, rows: list[tuple[str, int, float]]) -> None:
    """The server is told the first three, the others but the last while the agent is away, which then takes up its
    session again, and the last after that: what came before it has arrived, gaps as well, when it has.
    """

    def tell(some: list[tuple[str, int, float]]) -> None:
        server.tell(**{order: [(*row, 0) if order == "show" else row for row in some]})

    tell(rows[:3])
    wait_for(lambda: rows[2] in agent.ingest.rows(), "the values before the break")
    agent.kill()
    tell(rows[3:-1])
    agent.start()
    wait_for(lambda: rows[-2] in agent.ingest.rows(), "the values of the break")
    tell(rows[-1:])
    wait_for(lambda: rows[-1] in agent.ingest.rows(), "the value after it")


def test_a_queue_that_ran_over_without_a_word_is_mended_from_history(make_agent, make_opcua):
    """asyncua's server drops the oldest and does not set the overflow bit."""
    server = make_opcua(points=["a"])
    rows = history("a", 14, start_us=now_us() - 60_000_000, step_us=100_000)
    server.tell(history=rows[:1])
    agent = live_agent(make_agent, server, queue_size=5)
    through_a_break(agent, server, "write", rows[1:])
    assert_exactly(agent, rows)
    assert agent.ingest.gaps() == []


@pytest.mark.parametrize(("shown", "lost"), [(9, 4), (5, 0)], ids=["ran over", "full but whole"])
def test_a_queue_that_ran_over_without_a_word_or_history_is_a_signed_gap(make_agent, make_opcua, shown, lost):
    server, agent = live_without_history(make_agent, make_opcua, queue_size=5)
    rows = history("p", 3 + shown + 1, start_us=now_us(), step_us=100_000)
    through_a_break(agent, server, "show", rows)
    gaps = [(gap.start_us, gap.end_us, gap.reason) for gap in agent.ingest.gaps()]
    assert gaps == ([(rows[2][1], rows[3 + lost][1], "queue_overflow")] if lost else [])
    assert set(rows) - set(agent.ingest.rows()) == set(rows[3 : 3 + lost])


def test_a_bad_node_is_its_own_error_and_the_rest_goes_on(make_agent, make_opcua):
    server = make_opcua(points=["a"], plain=["text"])
    rows = history("a", 5, start_us=now_us() - 3_600_000_000)
    server.tell(history=rows)
    agent = make_agent(sources=opcua_source(server, "a", "missing", "text"))
    agent.ingest.start()
    agent.start()
    assert_exactly(agent, rows)
    wait_for(lambda: is_live(agent, "a"), "a is live")
    assert "BadNodeIdUnknown" in point(agent, "missing").message
    assert "String" in point(agent, "text").message
    assert point(agent, "missing").state == point(agent, "text").state == "error"


def test_a_value_that_is_no_number_is_the_points_error_and_the_next_one_is_taken(make_agent, make_opcua):
    server, agent = live_without_history(make_agent, make_opcua)
    server.tell(show=[("p", now_us(), "out of order", 0)])
    wait_for(lambda: point(agent, "p").state == "error", "the error shows")
    assert "out of order" in point(agent, "p").message
    row = ("p", now_us(), 7.0)
    server.tell(show=[(*row, 0)])
    wait_for(lambda: row in agent.ingest.rows(), "the next value")
    wait_for(lambda: is_live(agent, "p"), "the error is gone")


def test_a_full_spool_makes_the_source_wait_and_history_fills_in_what_it_missed(make_agent, make_opcua):
    server = make_opcua(points=["a"])
    noise = random.Random(1)
    start = now_us() - 100_000 * 1_000_000
    rows = [("a", start + i * 1_000_000 + noise.randrange(1_000_000), noise.random()) for i in range(80_000)]
    server.tell(history=rows)
    agent = make_agent(sources=opcua_source(server, "a"), spool={"path": "spool.sqlite", "max_bytes": 1 << 20})
    agent.ingest.mute = True
    agent.ingest.start()
    agent.start()
    wait_for(lambda: agent.status().sources["line"].state == "spool full", "a full spool")
    assert agent.status().spool.used_bytes <= 1 << 20
    agent.ingest.mute = False
    for epoch in {epoch for epoch, _ in agent.ingest.batches}:
        agent.ingest.acknowledge(epoch)
    assert_exactly(agent, rows)
    assert agent.ingest.gaps() == []


def test_a_full_spool_leaves_the_values_of_a_node_without_history_at_its_server(make_agent, make_opcua):
    server = make_opcua(points=["a"], plain=["p"])
    noise = random.Random(2)
    start = now_us() - 100_000 * 1_000_000
    rows = [("a", start + i * 1_000_000 + noise.randrange(1_000_000), noise.random()) for i in range(80_000)]
    server.tell(history=rows)
    agent = make_agent(sources=opcua_source(server, "a", "p"), spool={"path": "spool.sqlite", "max_bytes": 1 << 20})
    agent.ingest.mute = True
    agent.ingest.start()
    agent.start()
    wait_for(lambda: agent.status().sources["line"].state == "spool full", "a full spool")
    live = [("p", now_us() + i, float(i + 1)) for i in range(50)]
    server.tell(show=[(*row, 0) for row in live])
    agent.ingest.mute = False
    for epoch in {epoch for epoch, _ in agent.ingest.batches}:
        agent.ingest.acknowledge(epoch)
    wait_for(lambda: live[-1] in agent.ingest.rows(), "the last of the values that waited")
    assert [row for row in agent.ingest.rows() if row[0] == "p" and row[2]] == live
    assert agent.ingest.gaps() == []


def test_a_slow_publishing_interval_of_a_point_or_a_group_gathers_its_values(make_agent, make_opcua):
    names = ("quick", "own", "grouped")
    server = make_opcua(plain=names)
    sources = opcua_source(server, *names, groups={"slow": {"publishing_ms": 3_000}})
    points = sources["line"]["points"]
    points["own"]["publishing_ms"], points["grouped"]["group"] = 3_000, "slow"
    agent = make_agent(sources=sources)
    agent.ingest.start()
    agent.start()
    wait_for(lambda: is_live(agent, *names), "all are live")
    steps = 30
    for step in range(1, steps + 1):
        server.tell(write=[(name, now_us(), float(step)) for name in names])
        time.sleep(0.2)  # the pace of the plant
    last = {(name, float(steps)) for name in names}
    wait_for(lambda: last <= {(name, value) for name, _, value in agent.ingest.rows()}, "the last values")
    bringing = [{*rows.point} for rows in agent.ingest.payloads() if isinstance(rows, Rows)]
    quick, own, grouped = (sum(index in points for points in bringing) for index in range(3))
    assert own <= 6
    assert grouped <= 6
    assert quick >= 2 * max(own, grouped)
    for name in names:  # gathered, not thinned out
        assert [value for found, _, value in agent.ingest.rows() if found == name][-steps:] == [*range(1, steps + 1)]


@pytest.mark.parametrize("fault", ["BadServiceUnsupported", "BadEncodingLimitsExceeded"])
def test_a_server_that_refuses_the_whole_service_of_history_is_read_live(make_agent, own_opcua, fault):
    """It says of the node that it keeps a history; the refusal is none of the node but of the request."""
    own_opcua.server.tell(refuse_history=fault)
    agent = live_agent(make_agent, own_opcua)
    own_opcua.tell(write=[("a", now_us(), 7.0)])
    wait_for(lambda: 7.0 in [value for _, _, value in agent.ingest.rows()], "a live value")
    assert agent.status().sources["line"].connects == 1
    assert fault in agent.log


def test_a_message_and_a_history_that_nobody_can_read_are_a_signed_gap_and_the_rest_goes_on(make_agent, own_opcua):
    """Also sent again it cannot be read, and the history that should mend it neither."""
    own_opcua.server.tell(add={"p": False})
    agent = make_agent(sources=opcua_source(own_opcua, "a", "p"))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: is_live(agent, "a", "p"), "both are live")
    before = {name: (name, now_us(), 1.0) for name in "ap"}
    own_opcua.tell(write=[before["a"]], show=[(*before["p"], 0)])
    wait_for(lambda: set(before.values()) <= set(agent.ingest.rows()), "the values before")
    own_opcua.server.tell(write=[("a", now_us(), 2.0)], show=[("p", now_us(), 2.0, 0)], garble=True)
    wait_for(lambda: agent.status().sources["line"].bad, "the message is counted")
    after = {name: (name, now_us(), 3.0) for name in "ap"}
    own_opcua.tell(write=[after["a"]], show=[(*after["p"], 0)])
    wait_for(lambda: set(after.values()) <= set(agent.ingest.rows()), "the values after")
    wait_for(lambda: len(agent.ingest.gaps()) == 2, "the gaps")
    assert sorted((gap.points, gap.start_us, gap.end_us) for gap in agent.ingest.gaps()) == [
        ((number,), before[name][1], after[name][1]) for number, name in enumerate("ap")
    ]
    assert "Traceback" not in agent.log
    assert agent.running()
