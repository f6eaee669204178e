"""asyncua's server in this process, with everything that is odd in an address space and in its values."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from asyncua import ua
from asyncua.server.server import Server

from deploy.local.state import free_port
from edge_agent.commission.engineering_units import CEFACT_URI


def unit_id(code: str) -> int:
    return int.from_bytes(code.encode(), "big")


async def fill(server: Server) -> None:
    """A line with two meters, and with what servers have beside numbers."""
    index = await server.register_namespace("urn:test:odd")

    def node(name: str) -> ua.NodeId:
        return ua.NodeId.from_string(f"ns={index};s={name}")

    line = await server.nodes.objects.add_object(node("Line1"), f"{index}:Line1")
    energy = await line.add_variable(node("Line1.energy"), f"{index}:energy", 12.5, ua.VariantType.Double)
    units = ua.EUInformation(CEFACT_URI, unit_id("KWH"), ua.LocalizedText("kW·h"), ua.LocalizedText("energy"))
    await energy.add_property(ua.NodeId(), "0:EngineeringUnits", units)
    steam = await line.add_variable(node("Line1.steam"), f"{index}:steam", 3, ua.VariantType.UInt32)
    await steam.add_property(
        ua.NodeId(), "0:EngineeringUnits", ua.EUInformation("", -1, ua.LocalizedText("steams"), ua.LocalizedText(""))
    )
    await line.add_variable(node("Line1.recipe"), f"{index}:recipe", "A\n# B", ua.VariantType.String)
    await line.add_variable(node("Line1.zones"), f"{index}:zones", [1.0, 2.0], ua.VariantType.Double)
    await line.add_variable(node("Line1.running"), f"{index}:running", ua.Variant(Value=True))
    secret = await line.add_variable(node("Line1.secret"), f"{index}:secret", 1.0, ua.VariantType.Double)
    for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        await secret.write_attribute(attribute, ua.DataValue(ua.Variant(0, ua.VariantType.Byte)))
    exported = await line.add_variable(node("Line1.exported"), f"{index}:exported", 3.0, ua.VariantType.Double)
    units = ua.EUInformation(CEFACT_URI, unit_id("MWH"), ua.LocalizedText("MW·h"), ua.LocalizedText(""))
    await exported.add_property(ua.NodeId(), "0:EngineeringUnits", units)
    unset = await line.add_variable(node("Line1.unset"), f"{index}:unset", 1.0, ua.VariantType.Double)
    await unset.write_value(
        ua.DataValue(ua.Variant(1.0, ua.VariantType.Double), SourceTimestamp=datetime(2000, 1, 1, tzinfo=UTC))
    )
    broken = await line.add_variable(node("Line1.broken"), f"{index}:broken", 1.0, ua.VariantType.Double)
    bad = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSensorFailure))
    await broken.write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Double), bad))
    await line.add_variable(node("Line1.nothing"), f"{index}:nothing", math.nan, ua.VariantType.Double)
    cabinet = await line.add_object(node("Cabinet"), f"{index}:Cabinet")
    await cabinet.add_variable(node("Cabinet.energy"), f"{index}:energy", 1.0, ua.VariantType.Double)
    await cabinet.add_reference(line, ua.ObjectIds.Organizes)  # a circle
    await server.nodes.objects.add_reference(cabinet, ua.ObjectIds.Organizes)  # a second way


@contextmanager
def serving(fill: Callable[[Server], Awaitable[None]] = fill) -> Iterator[str]:
    """The server in a thread of its own, with what `fill` puts there."""
    url = f"opc.tcp://127.0.0.1:{free_port()}/odd"
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        server = Server()
        await server.init()
        server.set_endpoint(url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await fill(server)
        async with server:
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield url
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()
