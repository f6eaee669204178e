"""A small OPC UA server with history for the tests: `python -m tests.edge_agent.opcua_server '{"port": ...}'`.

Orders come as JSON lines on stdin, each answered with one line when it is done. What it is told to write goes to a
ledger file first, and is its history after a restart. Several values at one time are kept in order; the order `page`
bounds the values in one answer; `lag_s` lets the history show a value only later than subscribers see it, as real
servers do.

Nodes: `ns=2;s=<name>`, made by the order `add`, which says of each whether it has a history; a name that ends in `text`
makes a String node. The option `namespaces` has the URIs of the namespaces from 2 on; nodes are made in the last one,
and those of the order `stand_in`, each with its value, in the one of index 2.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.server.history import HistoryStorageInterface

LAST_NUMBER = 2**32 - 1
EPOCH = ua.DateTime(1970, 1, 1, tzinfo=UTC)


def data_value(time_us: int | None, value: object, status: int = 0) -> ua.DataValue:
    source = None if time_us is None else EPOCH + timedelta(microseconds=time_us)
    variant = ua.Variant(value, ua.VariantType.String if isinstance(value, str) else ua.VariantType.Double)
    return ua.DataValue(
        variant,
        StatusCode=ua.StatusCode(status),
        SourceTimestamp=source,
        ServerTimestamp=ua.DateTime.now(UTC) if source is None else source,
    )


class Ledger(HistoryStorageInterface):
    """What was written, in order, on disk first."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.page = 1000
        self.lag_s = 0.0
        self.rows: dict[str, list[tuple[int, float, float]]] = {}
        self._path = path
        if path.exists():
            for line in path.read_text().splitlines():
                name, time_us, value = json.loads(line)
                self.rows.setdefault(name, []).append((time_us, value, 0.0))

    def add(self, entries: list[tuple[str, int, float]]) -> None:
        with self._path.open("a") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
        for name, time_us, value in entries:
            self.rows.setdefault(name, []).append((time_us, value, time.monotonic()))

    async def init(self) -> None: ...

    async def stop(self) -> None: ...

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        assert start is not None
        assert end is not None
        low, high = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (start, end))
        seen_before = time.monotonic() - self.lag_s
        rows = self.rows.get(str(node_id.Identifier), [])
        found = sorted((row for row in rows if low <= row[0] <= high and row[2] <= seen_before), key=lambda row: row[0])
        most = min(nb_values or self.page, self.page)
        rest = EPOCH + timedelta(microseconds=found[most][0]) if len(found) > most else None
        return [data_value(time_us, value) for time_us, value, _ in found[:most]], rest


class TestServer:
    """The server and its nodes."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.ledger = Ledger(Path(str(options["ledger"])))
        self.server = Server()
        self.nodes: dict[str, ua.NodeId] = {}
        self.namespace = 0
        self.count = 0
        self.shift = 0
        self.last_number = LAST_NUMBER
        self.ticking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self.server.iserver.history_manager.set_storage(self.ledger)
        await self.server.init()
        # A device may well show a value that its declared type forbids; this library's server would refuse it.
        self.server.iserver.aspace._is_expected_variant_type = lambda *_: True
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{self.options['port']}/test")
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for uri in self.options["namespaces"]:
            self.namespace = await self.server.register_namespace(uri)

    async def add(self, name: str, *, history: bool) -> None:
        rows = self.ledger.rows.get(name)
        first = (
            data_value(rows[-1][0], rows[-1][1]) if rows else data_value(None, "x" if name.endswith("text") else 0.0)
        )
        node = await self.server.nodes.objects.add_variable(
            f"ns={self.namespace};s={name}", f"{self.namespace}:{name}", first.Value
        )
        if rows:
            await node.write_value(first)
        if history:
            await node.write_attribute(ua.AttributeIds.Historizing, ua.DataValue(ua.Variant(True)))  # noqa: FBT003
            await node.set_attr_bit(ua.AttributeIds.AccessLevel, ua.AccessLevel.HistoryRead)
        self.nodes[name] = node.nodeid

    async def obey(self, order: dict[str, Any]) -> None:
        """history, silent_history: rows of the past, the latter without a word to subscribers; show: no history."""
        self.ledger.page = order.get("page", self.ledger.page)
        self.ledger.lag_s = order.get("lag_s", self.ledger.lag_s)
        for name, has_history in order.get("add", {}).items():
            await self.add(name, history=has_history)
        for name, value in order.get("stand_in", {}).items():
            await self.server.nodes.objects.add_variable(f"ns=2;s={name}", f"2:{name}", float(value))
        history = [tuple(row) for row in order.get("history", [])]
        self.ledger.add(history + [tuple(row) for row in order.get("silent_history", [])])
        for name, time_us, value in {row[0]: row for row in history}.values():
            await self.show(name, data_value(time_us, value))
        for name, time_us, value in order.get("write", []):
            self.ledger.add([(name, time_us, value)])
            await self.show(name, data_value(time_us, value))
        for name, time_us, value, status in order.get("show", []):
            await self.show(name, data_value(time_us, value, status))
        await self._obey_faults(order)

    async def _obey_faults(self, order: dict[str, Any]) -> None:
        """tick, stop: values by themselves; forget_sessions: as after a restart; refuse_history: no such service;
        hide_namespaces: no leave to read them.
        """
        if "tick" in order:
            await self.tick(**order["tick"])
        if "stop" in order and self.ticking is not None:
            self.ticking.cancel()
        if "hide_namespaces" in order:
            hidden = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
            array = ua.NodeId(ua.Int32(ua.ObjectIds.Server_NamespaceArray))
            await self.server.iserver.aspace.write_attribute_value(array, ua.AttributeIds.Value, hidden)
        if "refuse_history" in order:

            async def refuse(_: object) -> None:
                raise ServiceError(getattr(ua.StatusCodes, order["refuse_history"]))

            self.server.iserver.history_manager.read_history = refuse
        if "forget_sessions" in order:
            for session in list(self.server.iserver._external_sessions.values()):
                await session.close_session(delete_subs=True)
        self._obey_faults_of_messages(order)

    def _obey_faults_of_messages(self, order: dict[str, Any]) -> None:
        """forget_sent: no Republish of so many; lose: the next message is gone before it is sent.

        Of the only subscription: renumber: its next message has the number `next`, and after `last` comes 1; garble: a
        message breaks the encoding, however often it is sent, and so does the history from then on.
        """
        for subscription in self.server.iserver.subscription_service.subscriptions.values():
            for number in list(subscription._not_acknowledged_results)[: order.get("forget_sent", 0)]:
                del subscription._not_acknowledged_results[number]
        if "garble" in order:
            self.garble()
        if "renumber" in order:
            self.renumber(**order["renumber"])
        if "lose" in order:
            for subscription in self.server.iserver.subscription_service.subscriptions.values():
                subscription._triggered_datachanges.clear()
                subscription._notification_seq = subscription._notification_seq % self.last_number + 1

    def garble(self) -> None:
        """Replace what waits to be published, and all history, by something of the right type that no one can read."""
        five_of_nothing = b"\x05\x00\x00\x00\xff"
        (subscription,) = self.server.iserver.subscription_service.subscriptions.values()

        def pop_garbage(result: ua.PublishResult) -> None:
            kind = ua.FourByteNodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(kind, five_of_nothing))
            subscription._triggered_datachanges.clear()
            del subscription._pop_triggered_datachanges

        async def read_garbage(*_: object) -> ua.HistoryReadResult:
            kind = ua.FourByteNodeId(ua.ObjectIds.HistoryData_Encoding_DefaultBinary)
            return ua.HistoryReadResult(HistoryData=ua.ExtensionObject(kind, five_of_nothing))

        subscription._pop_triggered_datachanges = pop_garbage

        def republish(number: int) -> ua.NotificationMessage:
            sent = subscription._not_acknowledged_results.get(number)  # the library itself would forget it here
            return ua.NotificationMessage() if sent is None else sent.NotificationMessage

        subscription.republish = republish
        self.server.iserver.history_manager._read_history = read_garbage

    def renumber(self, next: int, last: int) -> None:  # noqa: A002 - the order's own word
        (subscription,) = self.server.iserver.subscription_service.subscriptions.values()
        self.shift, self.last_number = next - subscription._notification_seq, last
        subscription._notification_seq = next
        sent = list(subscription._not_acknowledged_results.values())
        subscription._not_acknowledged_results.clear()
        for result in sent:
            result.NotificationMessage.SequenceNumber += self.shift
            subscription._not_acknowledged_results[result.NotificationMessage.SequenceNumber] = result
        pop = subscription._pop_publish_result

        def pop_and_begin_again() -> ua.PublishResult:
            result = pop()  # the library itself would go on to numbers that have no room in a message
            if subscription._notification_seq > last:
                subscription._notification_seq = 1
            return result

        subscription._pop_publish_result = pop_and_begin_again

    async def tick(self, count: int, interval_ms: float) -> None:
        """Nodes t0, t1, ... that count 1, 2, 3, ... by themselves: the counter is their ledger."""
        for number in range(count):
            await self.add(f"t{number}", history=False)
        self.ticking = asyncio.create_task(self._tick(count, interval_ms / 1_000))

    async def _tick(self, count: int, interval_s: float) -> None:
        begin_s = time.monotonic()
        while True:
            await asyncio.sleep(begin_s + (self.count + 1) * interval_s - time.monotonic())
            self.count += 1
            now_us = time.time_ns() // 1_000
            for number in range(count):
                await self.show(f"t{number}", data_value(now_us, float(self.count)))

    async def show(self, name: str, value: ua.DataValue) -> None:
        await self.server.iserver.aspace.write_attribute_value(self.nodes[name], ua.AttributeIds.Value, value)


async def main(options: dict[str, Any]) -> None:
    plant = TestServer(options)
    await plant.open()
    async with plant.server:
        print("ready", flush=True)
        orders = asyncio.StreamReader(limit=1 << 28)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            await plant.obey(json.loads(line))
            said = {"counted": plant.count, "sessions": len(plant.server.iserver._external_sessions)}
            print(json.dumps(said | {"shift": plant.shift}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
