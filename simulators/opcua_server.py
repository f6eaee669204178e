"""A plant's control system as an OPC UA server on loopback, with history.

Nodes `ns=2;s=<Line>.<point>` (`ns=2;s=Potline1.ac_energy`, say) under Objects/<Line>, namespace
`urn:retroproof:simulators`, with EngineeringUnits.
Every node is historizing; HistoryRead is served from the ledger, at most `PAGE_VALUES` values a response, with a
continuation point when more are there. Both ends of a request belong to it. Bounding values are not returned; modified
and processed history are not supported. Security policy None, as on many plant networks; it listens on 127.0.0.1 only.

A client that wants every live value must ask for the trigger StatusValueTimestamp: the default, StatusValue, rightly
says nothing when a point (the line state, above all) reads the same again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import TracebackType
from typing import Self

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.history import HistoryManager, HistoryStorageInterface
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from simulators.addresses import node_name
from simulators.errors import SimulatorError
from simulators.ledger import Ledger, Row
from simulators.plants import Plant
from simulators.points import Point
from simulators.timeline import micros

NAMESPACE = "urn:retroproof:simulators"
PAGE_VALUES = 2000
EPOCH = ua.DateTime(1970, 1, 1, tzinfo=UTC)  # asyncua's own subclass of datetime, so that sums with it are one too

# UN/CEFACT Recommendation 20 codes and OPC UA display names of the units (OPC 10000-8, 5.6.3).
UNIT_CODES = {
    "kWh": ("KWH", "kW·h"),
    "t": ("TNE", "t"),
    "V": ("VLT", "V"),
    "kA": ("B22", "kA"),
    "mg/m3": ("GP", "mg/m³"),
    "degC": ("CEL", "°C"),
    "1": ("C62", "1"),
    "%": ("P1", "%"),
    "m3/h": ("MQH", "m³/h"),
    "h": ("HUR", "h"),
    "min": ("MIN", "min"),
    "piece": ("H87", "piece"),
    "MJ/kg": ("JK", "MJ/kg"),
}
NOTHING_YET = ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(StatusCodes.BadWaitingForInitialData)))
YES = ua.Variant(Value=True, VariantType=ua.VariantType.Boolean)


def node_id(plant: Plant, name: str) -> ua.NodeId:
    """The stable id of a point's node."""
    return ua.NodeId.from_string(node_name(plant, name))


def variant_type(point: Point) -> ua.VariantType:
    """Registers of whole steps and states are integers on the wire; what is measured is a Double."""
    return ua.VariantType[point.integer.name] if point.integer else ua.VariantType.Double


def engineering_units(unit: str) -> ua.EUInformation:
    """The unit as OPC UA writes it: the UN/CEFACT code's characters are the bytes of the unit id."""
    code, display = UNIT_CODES.get(unit, ("", unit))  # a unit of money or of our own has no code
    return ua.EUInformation(
        NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
        UnitId=int.from_bytes(code.encode("ascii"), "big"),
        DisplayName=ua.LocalizedText(display),
        Description=ua.LocalizedText(unit),
    )


def data_value(row: Row, wire: ua.VariantType) -> ua.DataValue:
    """A produced reading as OPC UA carries it: the device's own time, and the server's, whose clock is right."""
    value = row.value if wire is ua.VariantType.Double else int(row.value)
    return ua.DataValue(
        ua.Variant(value, wire),
        StatusCode=ua.StatusCode(ua.UInt32(row.status)),
        SourceTimestamp=EPOCH + timedelta(microseconds=row.time_us),
        ServerTimestamp=EPOCH + timedelta(microseconds=row.produced_us),
    )


class LedgerHistory(HistoryStorageInterface):
    """HistoryRead over the ledger. asyncua's own storages keep a copy of their own and cut a long answer in silence."""

    def __init__(self, ledger: Ledger) -> None:
        """Serve `ledger`; nodes are named by `publish`."""
        super().__init__(max_history_data_response_size=PAGE_VALUES)
        self._ledger = ledger
        self._points: dict[ua.NodeId, Point] = {}
        self._ordered: dict[str, tuple[int, Sequence[int], Sequence[int]]] = {}

    def publish(self, node: ua.NodeId, point: Point) -> None:
        """Answer for `node` with the history of `point`."""
        self._points[node] = point

    def _by_time(self, point: str) -> tuple[Sequence[int], Sequence[int]]:
        """The readings in the order of their source times, as a historian keeps them: their indices, and the times."""
        times = self._ledger.times_us(point)
        count, order, ordered = self._ordered.get(point, (0, range(0), times))
        if count != len(times):
            count = len(times)
            if isinstance(order, range) and all(a <= b for a, b in pairwise(times[max(len(order) - 1, 0) :])):
                order, ordered = range(count), times
            else:
                order = sorted(range(count), key=times.__getitem__)
                ordered = array("q", (times[i] for i in order))
            self._ordered[point] = (count, order, ordered)
        return order, ordered

    async def init(self) -> None:
        """Nothing to prepare: the ledger is open."""

    async def stop(self) -> None:
        """Nothing to end: whoever opened the ledger closes it."""

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """One page of raw history, and the instant at which the next page starts or None.

        Newest first if `start` lies after `end` or is missing. asyncua continues a read by putting the continuation
        point in the place of `start`, which would turn a read without a start around: such a read gets one page only.
        """
        point = self._points.get(node_id)
        if point is None:
            return [], None
        order, times = self._by_time(point.name)
        start_us, end_us = _bound(start), _bound(end)
        limit = min(nb_values or PAGE_VALUES, PAGE_VALUES)
        chosen: Sequence[int]
        if start_us is None or (end_us is not None and start_us > end_us):
            newer, older = (end_us, None) if start_us is None else (start_us, end_us)
            low, high = _span(times, older, newer)
            chosen = range(high - 1, max(low, high - limit) - 1, -1)
            rest = high - limit - 1 if start_us is not None and high - limit > low else None
        else:
            low, high = _span(times, start_us, end_us)
            end_of_page = min(high, low + limit)
            # A page is continued by time, so readings of one instant must not be torn apart.
            while low < end_of_page < high and times[end_of_page] == times[end_of_page - 1]:
                end_of_page += 1
            chosen = range(low, end_of_page)
            rest = end_of_page if end_of_page < high else None
        wire = variant_type(point)
        page = [data_value(row, wire) for row in self._ledger.rows(point.name, [order[i] for i in chosen])]
        return page, None if rest is None else EPOCH + timedelta(microseconds=times[rest])


class PlantHistory(HistoryManager):
    """asyncua's own takes a request that gives continuation points back for one that reads on, and sends a page."""

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """An answer for each node; without data where its continuation point is given back (Part 4, 5.11.3)."""
        if params.ReleaseContinuationPoints:
            return [ua.HistoryReadResult() for _ in params.NodesToRead]
        answers: list[ua.HistoryReadResult] = await super().read_history(params)
        return answers


def _bound(instant: datetime | None) -> int | None:
    """A bound of a request [us]; OPC UA writes a missing one as the epoch of its clock, 1601-01-01."""
    if instant is None or instant == ua.get_win_epoch():
        return None
    return micros(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _span(times: Sequence[int], older: int | None, newer: int | None) -> tuple[int, int]:
    """The half-open range of indices whose times lie in [older, newer]."""
    low = 0 if older is None else bisect_left(times, older)
    high = len(times) if newer is None else bisect_right(times, newer)
    return low, max(low, high)


class PlantServer:
    """The running server. Every row that it is given must be in the ledger already."""

    def __init__(self, plant: Plant, ledger: Ledger, port: int, renamed: Mapping[str, str] | None = None) -> None:
        """Prepare a server for `plant` on 127.0.0.1:`port` (0: any free port). A point in `renamed` has its node under
        that name, and none under its own.
        """
        self._plant = plant
        self._renamed = renamed or {}
        self._ledger = ledger
        self._port = port
        self._server = Server()
        self._nodes: dict[str, ua.NodeId] = {}

    async def __aenter__(self) -> Self:
        """Build the address space and listen."""
        history = LedgerHistory(self._ledger)
        manager = PlantHistory(self._server.iserver)
        manager.set_storage(history)
        self._server.iserver.history_manager = manager
        await self._server.init()
        self._server.set_endpoint(f"opc.tcp://127.0.0.1:{self._port}/retroproof")
        self._server.set_server_name(f"RetroProof simulated plant {self._plant.line}")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._declare_history()
        index = await self._server.register_namespace(NAMESPACE)
        name = self._plant.line
        line = await self._server.nodes.objects.add_object(f"ns={index};s={name}", f"{index}:{name}")
        for name in self._plant.point_names("opcua"):
            point = self._plant.points[name]
            node = await self._add(line, point, index)
            history.publish(node, point)
            self._nodes[name] = node
        try:
            await self._server.start()
        except OSError as err:
            raise SimulatorError(
                f"the OPC UA server cannot listen on port {self._port}: {err}; choose another --opcua-port"
            ) from err
        if self._server.bserver is not None:
            self._port = self._server.bserver.port  # the one that was free, if it was left to chance
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every session and stop listening."""
        await self._server.stop()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._port

    @property
    def url(self) -> str:
        """Where a client finds the server."""
        return f"opc.tcp://127.0.0.1:{self._port}/retroproof"

    @property
    def node_ids(self) -> dict[str, str]:
        """The id of every point's node, as a client writes it."""
        return {name: node.to_string() for name, node in self._nodes.items()}

    async def show(self, rows: Sequence[Row]) -> None:
        """Put new readings on their nodes; subscribers hear of them."""
        for row in rows:
            await self._server.write_attribute_value(
                self._nodes[row.point], data_value(row, variant_type(self._plant.points[row.point]))
            )

    async def _add(self, line: Node, point: Point, index: int) -> ua.NodeId:
        """The node of one point, showing its newest reading, with its unit and its history open to clients."""
        wire = variant_type(point)
        begun = self._ledger.last_us(point.name) is not None
        newest = data_value(self._ledger.row(point.name, -1), wire) if begun else NOTHING_YET
        shown = self._renamed.get(point.name, point.name)
        identity = node_id(self._plant, shown)
        node = await line.add_variable(identity, f"{index}:{shown}", ua.Variant(0, wire))
        unit_id = node_id(self._plant, f"{shown}.EngineeringUnits")
        await node.add_property(unit_id, "0:EngineeringUnits", engineering_units(point.unit))
        await node.write_value(newest)
        await node.write_attribute(AttributeIds.Historizing, ua.DataValue(YES))
        for access in (AttributeIds.AccessLevel, AttributeIds.UserAccessLevel):
            await node.set_attr_bit(access, ua.AccessLevel.HistoryRead)
        return identity

    async def _declare_history(self) -> None:
        """Say what the server can do with history, so that a client can size its requests."""
        limit = ua.Variant(PAGE_VALUES, ua.VariantType.UInt32)
        for object_id, value in (
            (ObjectIds.HistoryServerCapabilities_MaxReturnDataValues, limit),
            (ObjectIds.HistoryServerCapabilities_AccessHistoryDataCapability, YES),
        ):
            await self._server.get_node(f"i={object_id}").write_value(value)
