"""A whole site for tests: a broker, a database, worker processes, and agents as far as ingest sees them."""

from __future__ import annotations

import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.mosquitto import MosquittoBroker
from ingest import read, register
from ingest.database import connect
from tests.ingest.builders import DEADLINE_S, START_US, Device, until
from verification import ack, keys


class Agent:
    """The sending half of an edge agent: publishes batches on its own topic and hears its acknowledgements."""

    def __init__(self, broker: MosquittoBroker, name: str) -> None:
        self.name = name
        self.heard: queue.Queue[bytes] = queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.username_pw_set(name, broker.add_device(name))
        self.client.on_message = lambda _client, _data, message: self.heard.put(message.payload)
        subscribed: queue.Queue[None] = queue.Queue()
        self.client.on_subscribe = lambda *_: subscribed.put(None)
        self.client.on_connect = lambda client, *_: client.subscribe(f"ack/{name}", qos=1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        subscribed.get(timeout=DEADLINE_S)

    def send(self, data: bytes, *, what: str = "batch", device: str | None = None) -> None:
        self.client.publish(f"plant/{device or self.name}/{what}", data, qos=1).wait_for_publish(DEADLINE_S)

    def ask(self, epoch: int = START_US) -> None:
        self.send(epoch.to_bytes(8), what="sync")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Site:
    """One database, one broker, the worker's key and configuration; starts workers as processes."""

    def __init__(
        self, folder: Path, url: str, broker: MosquittoBroker, *, worker_url: str = "", more: str = ""
    ) -> None:
        """`worker_url`: how the workers reach the database, if by another way; `more`: further lines of their YAML."""
        self.folder, self.url, self.broker = folder, url, broker
        self.key: Ed25519PrivateKey = keys.generate(folder / "ingest.key")
        password = folder / "ingest.password"
        password.write_text(broker.password("ingest"))
        password.chmod(0o600)
        self.config = folder / "ingest.yaml"
        self.config.write_text(
            f"db: {worker_url or url}\nmqtt: mqtt://ingest@127.0.0.1:{broker.port}\n"
            f"password_file: ingest.password\nsigning_key: ingest.key\n{more}\n"
        )
        self.log = folder / "ingest.log"
        self.workers: list[subprocess.Popen[bytes]] = []

    def stop_workers(self) -> None:
        """At the end of a test, also of one that fails."""
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def start_worker(self, *, wait: bool = True) -> subprocess.Popen[bytes]:
        ready = self.said("ready")
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "retroproof", "ingest", "serve", "--config", str(self.config)],
                stderr=log,
            )
        self.workers.append(worker)
        if wait:
            until(lambda: self.said("ready") > ready)
        return worker

    def said(self, word: str) -> int:
        return self.log.read_text().count(word) if self.log.exists() else 0

    def opened(self, data: bytes) -> ack.Ack:
        return ack.open_signed(data, self.key.public_key())

    @contextmanager
    def agent(self, device: Device) -> Iterator[Agent]:
        """An enrolled device's agent."""
        with connect(self.url) as conn:
            register.enroll(conn, device.name, device.public_key, "hengkang")
        agent = Agent(self.broker, device.name)
        yield agent
        agent.close()

    def until_settled(self, agent: Agent, batches: list[bytes], *, through: int) -> ack.Ack:
        """Do as an agent does: send what is not acknowledged, again and again, until all is."""
        end = time.monotonic() + DEADLINE_S
        settled = -1
        while time.monotonic() < end:
            for data in batches[settled + 1 :]:
                agent.send(data)
            while settled < through:
                try:
                    said = self.opened(agent.heard.get(timeout=1))
                except queue.Empty:
                    break
                settled = max(settled, said.through)
            if settled >= through:
                return said
        raise AssertionError(f"acknowledged up to {settled} only; the worker said:\n{self.log.read_text()}")


def stored(site: Site, device: Device) -> list[bytes]:
    with connect(site.url) as conn:
        return [one.data for one in read.batches(conn, device.name)]
