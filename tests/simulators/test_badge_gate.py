"""The badge gate loses nothing: not with lost receipts, not with a killed broker, not over its own restart."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from deploy.local.mosquitto import MosquittoBroker
from simulators.badge_gate import POINT, WINDOW, BadgeGate, Broker, Outbox
from simulators.errors import SimulatorError
from simulators.history import now_us
from simulators.ledger import Ledger
from simulators.plant import Settings, run_plant
from simulators.timeline import micros
from tests.simulators.plants import fill, open_ledger, small_plant, wait_for, wait_in_loop_for

Answers = Callable[[int, int], bool]  # (number, how often it has come) -> whether to send the receipt
ALWAYS: Answers = lambda _number, _times: True  # noqa: E731 - a named answer reads better in the tests below
NEVER: Answers = lambda _number, _times: False  # noqa: E731


class Receiver:
    """Stands for the edge agent: counts what comes, and answers with receipts as told."""

    def __init__(self, broker: MosquittoBroker, answers: Answers) -> None:
        self.came: dict[int, list[bytes]] = defaultdict(list)
        self.answers = answers
        self.subscribed = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="edge-test", protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set("edge", broker.password("edge"))
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("badge/#", qos=1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self.subscribed.wait(10)

    def _on_message(self, client: Client, _user: object, message: MQTTMessage) -> None:
        assert message.topic == "badge/potline1/staff_on_shift"
        data = message.properties.CorrelationData
        number = int.from_bytes(data, "big")
        self.came[number].append(message.payload)
        if self.answers(number, len(self.came[number])):
            receipt = Properties(PacketTypes.PUBLISH)
            receipt.CorrelationData = data
            client.publish(message.properties.ResponseTopic, b"", qos=1, properties=receipt)


@contextmanager
def receiver(broker: MosquittoBroker, answers: Answers = ALWAYS) -> Iterator[Receiver]:
    running = Receiver(broker, answers)
    try:
        yield running
    finally:
        running.client.disconnect()
        running.client.loop_stop()


@contextmanager
def gate(broker: MosquittoBroker, ledger: Ledger, *, resend_s: float = 0.5) -> Iterator[BadgeGate]:
    address = Broker("127.0.0.1", broker.port, "gate", broker.password("gate"))
    running = BadgeGate(address, ledger, "potline1", small_plant().timeline.tz, resend_s=resend_s)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "ledger.csv") as opened:
        fill(opened, small_plant())
        yield opened


def expected_payloads(ledger: Ledger) -> dict[int, tuple[int, float]]:
    rows = zip(ledger.times_us(POINT), ledger.column(POINT).value, strict=True)
    return dict(enumerate(rows, start=1))


def read_payload(payload: bytes) -> tuple[int, float]:
    message = json.loads(payload)
    assert message["quality"] == "good"
    assert message["time"].endswith("+08:00")
    return micros(datetime.fromisoformat(message["time"])), message["value"]


def assert_everything_came(listener: Receiver, ledger: Ledger) -> None:
    """Every message came at least once, and each time with the same content under the same number."""
    assert {number: {read_payload(p) for p in came} for number, came in listener.came.items()} == {
        number: {row} for number, row in expected_payloads(ledger).items()
    }


def test_every_message_comes_with_its_number_and_is_receipted(plant_broker, ledger):
    produced = len(ledger.times_us(POINT))
    with receiver(plant_broker) as listener, gate(plant_broker, ledger) as device:
        wait_for(lambda: device.delivered == produced, "every receipt")
        assert_everything_came(listener, ledger)
    assert ledger.delivered() == produced > WINDOW


def test_new_message_goes_out_when_the_gate_is_woken(plant_broker, ledger):
    produced = len(ledger.times_us(POINT))
    potline = small_plant()
    with receiver(plant_broker) as listener, gate(plant_broker, ledger) as device:
        wait_for(lambda: device.delivered == produced, "the history")
        fill(ledger, potline, until_us=micros(potline.timeline.reporting_end + timedelta(minutes=15)))
        device.wake()
        wait_for(lambda: device.delivered == produced + 1, "the new message")
        assert_everything_came(listener, ledger)


def test_live_plant_counts_staff_at_the_minute_and_delivers_it(plant_broker, tmp_path):
    address = Broker("127.0.0.1", plant_broker.port, "gate", plant_broker.password("gate"))

    async def live(ledger: Ledger) -> None:
        stop = asyncio.Event()
        settings = Settings(opcua_port=0, broker=address, rate_hz=20)
        plant = asyncio.create_task(run_plant(small_plant(), ledger, settings, ready=lambda *_: None, stop=stop))
        try:
            await wait_in_loop_for(lambda: (ledger.last_us("so2") or 0) > start_us, "a live value")
            await wait_in_loop_for(lambda: len(listener.came) == len(ledger.times_us(POINT)), "every message")
        finally:
            stop.set()
            await plant

    start_us = now_us()
    with receiver(plant_broker) as listener, open_ledger(tmp_path / "ledger.csv") as ledger:
        asyncio.run(live(ledger))
        last_us = ledger.times_us(POINT)[-1]
        assert last_us % 60_000_000 == 0
        assert start_us - 60_000_000 < last_us <= now_us()
        assert_everything_came(listener, ledger)


def test_message_without_receipt_is_sent_again_under_the_same_number(plant_broker, ledger):
    produced = len(ledger.times_us(POINT))
    third_lost: Answers = lambda number, times: number % 3 != 0 or times > 1  # noqa: E731
    with receiver(plant_broker, third_lost) as listener, gate(plant_broker, ledger) as device:
        wait_for(lambda: device.delivered == produced, "every receipt")
        assert all(len(listener.came[number]) >= 2 for number in range(3, produced + 1, 3))
        assert_everything_came(listener, ledger)


def test_open_messages_go_out_at_once_after_a_reconnect(plant_broker, ledger):
    with receiver(plant_broker, NEVER) as listener, gate(plant_broker, ledger, resend_s=3600) as device:
        wait_for(lambda: len(listener.came) == WINDOW, "the window")
        listener.answers = ALWAYS
        # A second client under the gate's name: the broker cuts the gate off, which then takes its name back.
        intruder = Client(
            CallbackAPIVersion.VERSION2, client_id="badge-gate-potline1", protocol=MQTTProtocolVersion.MQTTv5
        )
        intruder.username_pw_set("gate", plant_broker.password("gate"))
        intruder.connect("127.0.0.1", plant_broker.port)
        wait_for(lambda: device.delivered == len(ledger.times_us(POINT)), "every receipt")
        intruder.disconnect()
        assert_everything_came(listener, ledger)


def test_killed_broker_loses_nothing(servers, session_folder, supervisor, ledger):
    broker = MosquittoBroker(servers, session_folder / "plant-killed", "plant")
    broker.start(supervisor)
    produced = len(ledger.times_us(POINT))
    # Receipts stop at the half, so that the broker dies with messages and receipts on their way.
    half: Answers = lambda number, _times: number <= produced // 2  # noqa: E731
    with receiver(broker, half) as listener, gate(broker, ledger) as device:
        wait_for(lambda: device.delivered == produced // 2, "the first half")
        broker.kill()
        listener.answers = ALWAYS
        listener.subscribed.clear()
        broker.start(supervisor)
        wait_for(lambda: device.delivered == produced, "the second half")
        assert_everything_came(listener, ledger)
    broker.stop()


def test_gate_keeps_its_messages_while_the_broker_is_not_there_yet_and_says_so_once(
    servers, session_folder, supervisor, ledger, caplog
):
    broker = MosquittoBroker(servers, session_folder / "plant-late", "plant")
    broker.start(supervisor)  # to learn its port and passwords
    broker.stop()
    with gate(broker, ledger) as device:
        wait_for(lambda: f"no broker answers at 127.0.0.1:{broker.port}" in caplog.text, "the warning")
        time.sleep(2.5)  # two more tries
        assert caplog.text.count("no broker answers") == 1
        broker.start(supervisor)
        with receiver(broker) as listener:
            wait_for(lambda: device.delivered == len(ledger.times_us(POINT)), "every receipt")
            assert_everything_came(listener, ledger)
    broker.stop()


def test_restarted_gate_sends_only_what_was_not_receipted_and_under_the_same_numbers(plant_broker, ledger):
    produced = len(ledger.times_us(POINT))
    until_100: Answers = lambda number, _times: number <= 100  # noqa: E731
    with receiver(plant_broker, until_100), gate(plant_broker, ledger) as device:
        wait_for(lambda: device.delivered == 100, "the first 100 receipts")
    with receiver(plant_broker) as listener, gate(plant_broker, ledger) as device:
        wait_for(lambda: device.delivered == produced, "every receipt")
        assert set(listener.came) == set(range(101, produced + 1))
        rows = expected_payloads(ledger)
        assert all(read_payload(came[0]) == rows[number] for number, came in listener.came.items())


def test_open_messages_are_bounded_while_nobody_answers(plant_broker, ledger):
    with receiver(plant_broker, NEVER) as listener, gate(plant_broker, ledger) as device:
        wait_for(lambda: len(listener.came) == WINDOW and len(listener.came[WINDOW]) > 1, "the window, twice")
        assert max(listener.came) == WINDOW
        assert device.delivered == 0


def test_receipt_for_no_open_message_changes_nothing():
    outbox = Outbox(delivered=5, resend_s=5.0)
    for number in (0, 5, 6, 999):
        outbox.receipt(number)
    assert outbox.delivered == 5
    assert outbox.take_due(0.0, produced=6) == [6]


def test_message_falls_due_again_exactly_at_its_time():
    outbox = Outbox(delivered=0, resend_s=5.0)
    assert outbox.take_due(10.0, produced=2) == [1, 2]
    assert outbox.next_due_s() == 15.0
    assert outbox.take_due(14.999, produced=2) == []
    outbox.receipt(2)
    assert outbox.take_due(15.0, produced=2) == [1]
    outbox.all_due()
    assert outbox.take_due(15.1, produced=2) == [1]
    outbox.receipt(1)
    assert (outbox.delivered, outbox.next_due_s()) == (2, None)


def test_window_counts_from_the_first_message_without_receipt():
    outbox = Outbox(delivered=0, resend_s=5.0)
    assert outbox.take_due(0.0, produced=1000) == list(range(1, WINDOW + 1))
    outbox.receipt(2)
    assert outbox.take_due(0.0, produced=1000) == []
    outbox.receipt(1)
    assert outbox.take_due(0.0, produced=1000) == [WINDOW + 1, WINDOW + 2]


def test_gate_refuses_a_ledger_that_lost_messages_already_delivered(ledger):
    tz = small_plant().timeline.tz
    ledger.save_delivered(len(ledger.times_us(POINT)))
    BadgeGate(Broker("127.0.0.1", 1, None, None), ledger, "potline1", tz)
    ledger.save_delivered(len(ledger.times_us(POINT)) + 1)
    with pytest.raises(SimulatorError, match="was cut"):
        BadgeGate(Broker("127.0.0.1", 1, None, None), ledger, "potline1", tz)


def test_broker_address_is_read_from_a_url():
    assert Broker.from_url("mqtt://gate:p%40ss@127.0.0.1:1884") == Broker("127.0.0.1", 1884, "gate", "p@ss")
    assert Broker.from_url("mqtt://localhost") == Broker("localhost", 1883, None, None)
    for wrong in ("127.0.0.1:1883", "http://127.0.0.1", "mqtt://"):
        with pytest.raises(SimulatorError, match="mqtt://user"):
            Broker.from_url(wrong)
