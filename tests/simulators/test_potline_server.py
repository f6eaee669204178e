"""A real OPC UA client reads the whole history, page by page, and every live value, and both equal the ledger."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.ua import DataChangeTrigger

from simulators.errors import SimulatorError
from simulators.history import now_us
from simulators.ledger import Ledger, Row
from simulators.opcua_server import NAMESPACE, PAGE_VALUES, PlantServer, node_id
from simulators.plant import Settings, run_plant
from simulators.plants.potline import Potline
from simulators.timeline import EPOCH, micros
from tests.simulators.plants import DEADLINE_S, fill, open_ledger, rows_in, small_plant, wait_in_loop_for

PLANT = small_plant()
POINTS = Potline.points
POINT_NAMES = PLANT.point_names("opcua")
LONG_BASELINE_DAYS = 42  # 46 days x 96: two full pages and some
STEP = timedelta(microseconds=1)
FOREVER = datetime(2200, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Served:
    """A plant that is being served, and where."""

    ledger: Ledger
    url: str

    def use(self, use: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
        """Run `use` with a connected client."""

        async def run() -> None:
            async with Client(self.url) as client:
                await asyncio.wait_for(use(client), DEADLINE_S)

        asyncio.run(run())


@pytest.fixture(scope="module")
def plant(tmp_path_factory) -> Iterator[Served]:
    """A plant with a long history on a real server, which runs in a thread of its own."""
    with open_ledger(tmp_path_factory.mktemp("plant") / "ledger.csv") as ledger:
        fill(ledger, small_plant(LONG_BASELINE_DAYS))
        with asyncio.Runner() as runner:
            server = PlantServer(PLANT, ledger, 0)
            loop = runner.get_loop()
            runner.run(server.__aenter__())
            thread = threading.Thread(target=loop.run_forever)
            thread.start()
            yield Served(ledger, server.url)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            runner.run(server.__aexit__(None, None, None))


def node(client: Client, point: str):
    return client.get_node(f"ns=2;s=Potline1.{point}")


def pairs(values: list[ua.DataValue]) -> list[tuple[int, float]]:
    assert all(value.StatusCode.is_good() for value in values)
    return [(micros(value.SourceTimestamp), float(value.Value.Value)) for value in values]


def produced(ledger: Ledger, point: str) -> list[tuple[int, float]]:
    return list(zip(ledger.times_us(point), ledger.column(point).value, strict=True))


def test_history_read_with_continuation_points_equals_the_ledger(plant):
    async def use(client: Client) -> None:
        for point in POINT_NAMES:
            read = pairs(await node(client, point).read_raw_history(LONG_AGO, FOREVER))
            assert read == produced(plant.ledger, point), point
            assert len(read) > 2 * PAGE_VALUES

    plant.use(use)


def test_history_read_page_by_page_in_time_equals_the_ledger(plant):
    async def use(client: Client) -> None:
        read: list[tuple[int, float]] = []
        start = LONG_AGO
        while page := await node(client, "ac_energy").read_raw_history(start, FOREVER, numvalues=700):
            read += pairs(page)
            start = page[-1].SourceTimestamp + STEP
        assert read == produced(plant.ledger, "ac_energy")

    plant.use(use)


@pytest.mark.parametrize(("asked", "limit"), [(0, PAGE_VALUES), (PAGE_VALUES + 1, PAGE_VALUES), (50, 50)])
def test_continuation_point_comes_only_with_more_values_than_fit(plant, asked, limit):
    times = plant.ledger.times_us("so2")

    async def use(client: Client) -> None:
        for count, more in ((limit, False), (limit + 1, True)):
            details = ua.ReadRawModifiedDetails()
            details.StartTime = datetime.fromtimestamp(times[0] / 1e6, UTC)
            details.EndTime = datetime.fromtimestamp(times[count - 1] / 1e6, UTC)
            details.NumValuesPerNode = asked
            result = await node(client, "so2").history_read(details)
            assert len(result.HistoryData.DataValues) == limit
            assert bool(result.ContinuationPoint) is more

    plant.use(use)


def test_continuation_point_that_is_given_back_brings_no_page_and_the_read_can_be_begun_anew(plant):
    """asyncua's server would read on instead, and send a page that nobody asked for."""

    async def use(client: Client) -> None:
        details = ua.ReadRawModifiedDetails(StartTime=LONG_AGO, EndTime=FOREVER, NumValuesPerNode=PAGE_VALUES)
        ids = [node(client, point).nodeid for point in ("so2", "ac_energy")]

        async def read(points: list[bytes | None], *, release: bool = False) -> list[ua.HistoryReadResult]:
            wanted = [
                ua.HistoryReadValueId(NodeId=one, ContinuationPoint=point)
                for one, point in zip(ids, points, strict=True)
            ]
            asked = ua.HistoryReadParameters(
                HistoryReadDetails=details, NodesToRead=wanted, ReleaseContinuationPoints=release
            )
            return await client.uaclient.history_read(asked)

        first = await read([None, None])
        given_back = await read([one.ContinuationPoint for one in first], release=True)
        assert [one.StatusCode.is_good() for one in given_back] == [True, True]
        assert not any(getattr(one.HistoryData, "DataValues", None) or one.ContinuationPoint for one in given_back)
        assert [pairs(one.HistoryData.DataValues) for one in await read([None, None])] == [
            pairs(one.HistoryData.DataValues) for one in first
        ]

    plant.use(use)


def test_history_from_late_to_early_comes_newest_first_and_whole(plant):
    async def use(client: Client) -> None:
        read = pairs(await node(client, "pot_voltage").read_raw_history(FOREVER, LONG_AGO))
        assert read == produced(plant.ledger, "pot_voltage")[::-1]

    plant.use(use)


def test_history_without_a_start_gives_the_newest_values(plant):
    async def use(client: Client) -> None:
        read = pairs(await node(client, "pot_voltage").read_raw_history(None, FOREVER, numvalues=5))
        assert read == produced(plant.ledger, "pot_voltage")[:-6:-1]

    plant.use(use)


def test_history_of_a_time_without_values_is_empty(plant):
    async def use(client: Client) -> None:
        assert await node(client, "so2").read_raw_history(LONG_AGO, LONG_AGO + STEP) == []

    plant.use(use)


def test_every_node_says_its_unit_its_newest_value_and_that_it_has_history(plant):
    async def use(client: Client) -> None:
        assert (await client.get_namespace_array())[2] == NAMESPACE
        for point in POINT_NAMES:
            this = node(client, point)
            units = await (await this.get_child("0:EngineeringUnits")).read_value()
            assert units.Description.Text == POINTS[point].unit
            assert pairs([await this.read_data_value()]) == produced(plant.ledger, point)[-1:]
            assert ua.AccessLevel.HistoryRead in await this.get_access_level()
            assert (await this.read_attribute(ua.AttributeIds.Historizing)).Value.Value is True
        kilowatt_hours = await node(client, "ac_energy.EngineeringUnits").read_value()
        assert kilowatt_hours.UnitId == 4937544  # KWH in the OPC Foundation's table of UN/CEFACT units
        limit = client.get_node(ua.NodeId(ua.ObjectIds.HistoryServerCapabilities_MaxReturnDataValues))
        assert await limit.read_value() == PAGE_VALUES

    plant.use(use)


def test_point_that_never_sent_anything_waits_for_its_first_value_and_has_no_history(tmp_path):
    async def serve() -> None:
        with open_ledger(tmp_path / "ledger.csv") as ledger:
            async with PlantServer(small_plant(), ledger, 0) as server, Client(server.url) as client:
                value = await node(client, "so2").read_data_value(raise_on_bad_status=False)
                assert value.Value is None or value.Value.Value is None
                assert value.StatusCode.name == "BadWaitingForInitialData"
                assert await node(client, "so2").read_raw_history() == []
                assert await node(client, "line_state").read_data_type_as_variant_type() is ua.VariantType.Int32

    asyncio.run(serve())


def test_renamed_point_has_its_history_under_the_new_name_and_none_under_its_own(tmp_path):
    async def serve() -> None:
        with open_ledger(tmp_path / "ledger.csv") as ledger:
            fill(ledger, PLANT)
            server = PlantServer(PLANT, ledger, 0, {"metal_tapped": "scale_1"})
            async with server, Client(server.url) as client:
                read = await node(client, "scale_1").read_raw_history(LONG_AGO, FOREVER)
                assert pairs(read) == produced(ledger, "metal_tapped")
                assert await node(client, "scale_1.EngineeringUnits").read_value()
                with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
                    await node(client, "metal_tapped").read_value()
                assert await node(client, "so2").read_value() == produced(ledger, "so2")[-1][1]

    asyncio.run(asyncio.wait_for(serve(), DEADLINE_S))


def test_port_in_use_is_refused_with_the_option_that_mends_it(tmp_path):
    async def run(ledger: Ledger, port: int) -> None:
        async with PlantServer(PLANT, ledger, port):
            pytest.fail("two servers on one port")

    with socket.create_server(("127.0.0.1", 0)) as taken, open_ledger(tmp_path / "ledger.csv") as ledger:
        fill(ledger, small_plant())
        with pytest.raises(SimulatorError, match="--opcua-port"):
            asyncio.run(run(ledger, taken.getsockname()[1]))


class Recorder:
    """A subscription handler that notes each value."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, float]] = []

    def datachange_notification(self, source, value, data) -> None:
        time_us = micros(data.monitored_item.Value.SourceTimestamp)
        self.heard.append((source.nodeid.Identifier.removeprefix("Potline1."), time_us, float(value)))


async def subscribe_to_all(client: Client, recorder: Recorder) -> None:
    subscription = await client.create_subscription(50, recorder)
    every_value = ua.DataChangeFilter()
    every_value.Trigger = DataChangeTrigger.StatusValueTimestamp
    nodes = [node(client, point) for point in POINT_NAMES]
    await subscription._subscribe(nodes, ua.AttributeIds.Value, every_value, queuesize=1000)


async def live_run(potline, ledger: Ledger, during: Callable[[PlantServer], Coroutine[Any, Any, None]]) -> None:
    """Run the plant live at 20 Hz while `during` runs."""
    ready: asyncio.Future[PlantServer] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    settings = Settings(opcua_port=0, rate_hz=20)
    plant = asyncio.create_task(
        run_plant(potline, ledger, settings, ready=lambda server, _: ready.set_result(server), stop=stop)
    )
    try:
        await asyncio.wait({plant, ready}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait_for(during(ready.result()), DEADLINE_S)
    finally:
        stop.set()
        await plant


def test_subscriber_hears_every_live_value_that_the_ledger_has(tmp_path):
    recorder = Recorder()

    async def during(server: PlantServer) -> None:
        async with Client(server.url) as client:
            await subscribe_to_all(client, recorder)
            await wait_in_loop_for(lambda: len(recorder.heard) >= 20 * len(POINT_NAMES), "20 values of each point")

    with open_ledger(tmp_path / "ledger.csv") as ledger:
        asyncio.run(live_run(small_plant(), ledger, during))
        for point in POINT_NAMES:
            heard = [(time_us, value) for name, time_us, value in recorder.heard if name == point]
            assert len(heard) >= 15
            assert heard == [row for row in produced(ledger, point) if heard[0][0] <= row[0] <= heard[-1][0]], point


def test_live_value_is_in_the_ledgers_file_before_its_node_shows_it(tmp_path):
    shown: list[bool] = []

    async def during(server: PlantServer) -> None:
        async def at_write(_handle: int, value: ua.DataValue, _error: object = None) -> None:
            line = f"\nso2,{micros(value.SourceTimestamp)},{value.Value.Value!r},0,{micros(value.ServerTimestamp)}\n"
            shown.append(line in ledger.path.read_text(encoding="utf-8"))

        # The server calls this inside the write itself, before any client can be told.
        space = server._server.iserver.aspace
        space.add_datachange_callback(node_id(PLANT, "so2"), ua.AttributeIds.Value, at_write)
        await wait_in_loop_for(lambda: len(shown) >= 5, "5 values written")

    with open_ledger(tmp_path / "ledger.csv") as ledger:
        asyncio.run(live_run(small_plant(), ledger, during))
    assert all(shown)


def test_live_values_are_history_at_once(tmp_path):
    with open_ledger(tmp_path / "ledger.csv") as ledger:

        async def during(server: PlantServer) -> None:
            start_us = now_us()
            await wait_in_loop_for(lambda: (ledger.last_us("so2") or 0) > start_us, "a live value")
            async with Client(server.url) as client:
                start = EPOCH + timedelta(microseconds=start_us)
                read = pairs(await node(client, "so2").read_raw_history(start, FOREVER))
            live = [row for row in produced(ledger, "so2") if start_us <= row[0] <= read[-1][0]]
            assert read == live

        asyncio.run(live_run(small_plant(), ledger, during))


def test_plant_that_was_down_fills_its_absence_by_quarter_hours_and_goes_on(tmp_path):
    potline = small_plant()
    path = tmp_path / "ledger.csv"
    with open_ledger(path) as ledger:
        fill(ledger, potline, until_us=micros(potline.timeline.baseline_end))
        last_live_us = micros(potline.timeline.baseline_end) + 3_000_000
        ledger.append([Row.good(point, last_live_us, potline.value_us(point, last_live_us)) for point in POINT_NAMES])
    with open_ledger(path) as ledger:

        async def during(_server: PlantServer) -> None:
            before = ledger.count()
            await wait_in_loop_for(
                lambda: ledger.count() >= before + 3 * len(POINT_NAMES), "three live values of each point"
            )

        asyncio.run(live_run(potline, ledger, during))
    by_point: dict[str, list[int]] = {}
    for point, time_us, value in rows_in(path):
        assert value == potline.value_us(point, time_us)
        by_point.setdefault(point, []).append(time_us)
    for point in POINT_NAMES:
        times = by_point[point]
        assert times == sorted(set(times)), "ascending, none twice"
        gap = [b - a for a, b in pairwise(times) if b > last_live_us]
        assert max(gap) <= 900_000_000, "no quarter-hour is missing"
        assert min(gap) < 1_000_000, "and then it lives on"


def test_history_may_grow_in_steps_and_equals_the_one_made_at_once(tmp_path):
    potline = small_plant()
    with open_ledger(tmp_path / "steps.csv") as steps, open_ledger(tmp_path / "once.csv") as once:
        fill(steps, potline, until_us=micros(potline.timeline.baseline_end))
        fill(steps, potline)
        fill(once, potline)
        assert sorted(rows_in(steps.path)) == sorted(rows_in(once.path))


def test_plant_whose_life_has_not_begun_is_refused(tmp_path):
    potline = small_plant(first_day=datetime.now(UTC).date() + timedelta(days=9))
    with open_ledger(tmp_path / "ledger.csv") as ledger, pytest.raises(SimulatorError, match="earlier day"):
        asyncio.run(run_plant(potline, ledger, Settings(opcua_port=0), ready=lambda *_: None, stop=asyncio.Event()))


@pytest.mark.parametrize(("rate_hz", "allowed"), [(0.009, False), (0.01, True), (100, True), (101, False)])
def test_rate_has_bounds(rate_hz, allowed):
    if allowed:
        assert Settings(opcua_port=0, rate_hz=rate_hz).rate_hz == rate_hz
    else:
        with pytest.raises(SimulatorError, match="Hz is outside"):
            Settings(opcua_port=0, rate_hz=rate_hz)
