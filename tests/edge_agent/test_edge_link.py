"""The link to an MQTT broker: paho's thread only hands over, the loop owns everything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.mqtt_link import LinkError, Message, MqttLink, Published


class HeldLoop(asyncio.SelectorEventLoop):
    """Keeps what another thread hands over, until `let_go`."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def call_soon_threadsafe(self, callback: Any, *values: Any, context: Any = None) -> Any:  # noqa: ARG002
        self.held.append((callback, values))

    def let_go(self) -> None:
        for callback, values in self.held:
            callback(*values)


@pytest.fixture
def loop():
    made = HeldLoop()
    yield made
    made.close()


@pytest.fixture
def link(loop) -> MqttLink:
    return MqttLink(Client(CallbackAPIVersion.VERSION2), loop, version=5)


def in_paho_s_thread(callback: Callable[..., None], *values: object) -> None:
    thread = threading.Thread(target=callback, args=(None, None, *values))
    thread.start()
    thread.join()


def state(link: MqttLink) -> dict[str, object]:
    """What the loop's side would see."""
    futures = {name: future.done() for name, future in vars(link).items() if isinstance(future, asyncio.Future)}
    return vars(link) | futures | {"waiting": link._events.qsize()}


def test_no_callback_touches_what_the_loop_owns(link, loop):
    """Each is called in a thread of its own; before the loop's turn nothing has changed, after it everything has."""
    before = state(link)
    message = MQTTMessage(7, b"plant/a")
    message.payload, message.qos = b"1", 1
    good = ReasonCode(PacketTypes.CONNACK, "Success")
    in_paho_s_thread(link._on_connect, type("Flags", (), {"session_present": True})(), good, None)
    in_paho_s_thread(link._on_subscribe, 1, [ReasonCode(PacketTypes.SUBACK, "Granted QoS 1")], None)
    in_paho_s_thread(link._on_message, message)
    in_paho_s_thread(link._on_publish, 9, ReasonCode(PacketTypes.PUBACK, "No matching subscribers"), None)
    in_paho_s_thread(link._on_disconnect, None, ReasonCode(PacketTypes.DISCONNECT, "Server shutting down"), None)
    assert state(link) == before
    loop.let_go()
    assert link._connack.result() is True
    assert [str(code) for code in link._suback.result()] == ["Granted QoS 1"]
    arrived = [link._events.get_nowait() for _ in range(2)]
    assert arrived[0] == Message(
        "plant/a", b"1", 7, 1, repeated=False, retained=False, response_topic="", correlation=b""
    )
    assert (arrived[1].packet_id, arrived[1].delivered) == (9, False)
    assert isinstance(arrived[1], Published)
    with pytest.raises(LinkError, match="Server shutting down"):
        loop.run_until_complete(link.next_event(0))


def test_a_broker_that_sends_more_than_it_may_is_left_and_nothing_it_sent_is_acknowledged(link, loop, monkeypatch):
    """What waits here is bounded; what is dropped beyond it comes again, since only `acknowledge` acknowledges."""
    monkeypatch.setattr(link._client, "ack", lambda *_: pytest.fail("acknowledged"))
    bound = link._events.maxsize
    for number in range(bound + 1):
        message = MQTTMessage(number, b"plant/a")
        message.qos = 1
        link._on_message(None, None, message)
    loop.let_go()
    assert link._events.qsize() == bound
    found = loop.run_until_complete(link.events(1))
    assert len(found) == bound
    with pytest.raises(LinkError, match="more than it was told"):
        loop.run_until_complete(link.next_event(0))
