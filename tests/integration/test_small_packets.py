"""Every connection of ours to a real broker sends small packets at once, or each acknowledgement would wait 40 ms."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from deploy.local.mosquitto import MosquittoBroker
from edge_agent import mqtt_link
from edge_agent.config import mqtt as edge_config
from ingest.config import Broker
from ingest.gateway.config import GatewayConfig
from ingest.gateway.host import Host
from ingest.health import Health
from ingest.inbox import Inbox
from ingest.intake import Intake
from tests.ingest.builders import until


def sends_at_once(client: mqtt.Client) -> bool:
    return bool(client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


@pytest.fixture
def ours(uplink_broker: MosquittoBroker) -> Broker:
    port, password = uplink_broker.port, uplink_broker.password("ingest")
    return Broker(host="127.0.0.1", port=port, tls=False, user="ingest", password=password)


def test_ingest(ours: Broker):
    inbox = Inbox(ours, Intake(), Health())
    inbox.start()
    until(inbox._client.is_connected)
    assert sends_at_once(inbox._client)
    inbox.stop()


def test_the_gateway_host(ours: Broker):
    host = Host(GatewayConfig(db="", broker=ours, host_id="small", gateways={}), threading.Event())
    host._client.connect(ours.host, ours.port)
    assert sends_at_once(host._client)
    host._client.disconnect()


def test_the_edge_agent(uplink_broker: MosquittoBroker, tmp_path: Path):
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text(uplink_broker.add_device("small-packets"))
    broker = edge_config.Broker(
        mqtt=f"mqtt://small-packets@127.0.0.1:{uplink_broker.port}", password_file=str(password)
    )

    async def look() -> bool:
        async with mqtt_link.connected(broker, "small-packets") as link:
            return sends_at_once(link._client)

    assert asyncio.run(look())
