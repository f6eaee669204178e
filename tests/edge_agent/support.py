"""What the agent's tests share: a stand-in for ingest, the agent as a process, and waiting on conditions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.state import free_port
from edge_agent.clock import now_us
from edge_agent.status import AgentStatus
from edge_agent.status import read as read_status
from tests.support.peers import Peer
from verification import ack, batch, keys
from verification.batch import Catalogue, Gap, Gaps, KeyChange
from verification.model import Rows

DEADLINE_S = 40.0
ReadingRow = tuple[str, int, float]  # point, source time, value


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once the condition holds; fail with `what` at the deadline."""
    late = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < late, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)


class StandInIngest:
    """Verifies and acknowledges as ingest does, in memory; `mute` and `lie` make it misbehave."""

    def __init__(
        self, broker: MosquittoBroker, device: str, public_key: Ed25519PublicKey, *, certificate: Path | None = None
    ) -> None:
        """`certificate` (with its key and authority beside it) is for a broker that knows its users by these."""
        self.key = Ed25519PrivateKey.generate()
        self.signing_key = self.key
        self.mute = False
        self.clock_ahead_us = 0
        self.lie: Callable[[ack.Ack], ack.Ack] = lambda said: said
        self.batches: dict[tuple[int, int], bytes] = {}
        self.arrivals = 0
        self.order: list[int] = []  # the sequences as they came
        self.pace_s = 0.0  # how long it takes to answer over MQTT
        self.syncs: list[int] = []
        self.problems: list[str] = []
        self._device = device
        self.public_keys = {keys.key_id(public_key): public_key}
        self._broker = broker
        self._lock = threading.RLock()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"ingest-{device}", protocol=MQTTProtocolVersion.MQTTv5
        )
        if certificate is None:
            self._client.username_pw_set("ingest", broker.password("ingest"))
        else:
            self._client.tls_set(certificate.with_name("ca.pem"), certificate, certificate.with_suffix(".key"))
        self._client.on_connect = lambda client, *_: client.subscribe(f"plant/{device}/#", qos=1)
        self._client.reconnect_delay_set(1, 1)
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def start(self) -> StandInIngest:
        self._client.connect("127.0.0.1", self._broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(10)
        return self

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._lock:
            if message.topic.endswith("/sync"):
                epoch = int.from_bytes(message.payload, "big")
                self.syncs.append(epoch)
            else:
                epoch = self.take(bytes(message.payload))
                time.sleep(self.pace_s)
            self.acknowledge(epoch)

    def take(self, data: bytes) -> int:
        """Keep a batch; returns its epoch."""
        with self._lock:
            return self._take(data)

    def _take(self, data: bytes) -> int:
        self.arrivals += 1
        opened = batch.open_batch(data)
        header = opened.header
        self.order.append(header.sequence)
        key = self.public_keys.get(opened.envelope.key_id)
        if key is None or not opened.envelope.signed_by(key):
            self.problems.append("bad signature")
        before = self.batches.get((header.epoch, header.sequence - 1))
        if before is not None and batch.open_batch(before).sha256 != header.previous:
            self.problems.append("broken chain")
        payload = batch.read_payload(opened)
        if isinstance(payload, KeyChange):
            new = keys.from_raw(payload.public_key)
            self.public_keys[keys.key_id(new)] = new
        known = self.batches.setdefault((header.epoch, header.sequence), data)
        if known != data:
            self.problems.append("another batch under the same number")
        return header.epoch

    def acknowledge(self, epoch: int) -> None:
        """Say up to where the epoch is whole."""
        if not self.mute:
            self.send(self.acknowledgement(epoch))

    def acknowledgement(self, epoch: int) -> bytes:
        """Up to where the epoch is whole, signed."""
        with self._lock:
            through = ack.NOTHING_SETTLED
            while (epoch, through + 1) in self.batches:
                through += 1
            sha256 = batch.open_batch(self.batches[epoch, through]).sha256 if through >= 0 else b""
            at_us = now_us() + self.clock_ahead_us
            said = self.lie(ack.Ack(self._device, epoch, through, sha256, at_us=at_us))
            return ack.sign(said, self.signing_key)

    def send(self, payload: bytes) -> None:
        self._client.publish(f"ack/{self._device}", payload, qos=1)

    def payloads(self) -> list[batch.Payload]:
        with self._lock:
            items = sorted(self.batches.items())
        return [batch.read_payload(batch.open_batch(data)) for _, data in items]

    def rows(self) -> list[ReadingRow]:
        """Every reading that arrived, by name."""
        return [(name, time_us, value) for name, time_us, value, _ in self.flagged_rows()]

    def flagged_rows(self) -> list[tuple[str, int, float, int]]:
        return list(self.each_row())

    def each_row(self) -> Iterator[tuple[str, int, float, int]]:
        """Every reading that arrived, in order: name, source time, value and flags."""
        with self._lock:
            items = sorted(self.batches.items())
        names: dict[tuple[int, int], str] = {}
        for (epoch, _), data in items:
            match batch.read_payload(batch.open_batch(data)):
                case Catalogue(points, first):
                    names |= {(epoch, first + i): point.name for i, point in enumerate(points)}
                case Rows() as rows:
                    for point, time_us, value, flags in zip(
                        rows.point, rows.time_us, rows.value, rows.flags, strict=True
                    ):
                        yield names.get((epoch, point), "not named yet"), time_us, value, flags

    def repeated(self) -> list[str]:
        """Each reading (point, source time, value) that came more than once, with the batches and rows that hold it."""
        places: dict[tuple[int, int, float], list[str]] = {}
        with self._lock:
            items = sorted(self.batches.items())
        for (epoch, sequence), data in items:
            if isinstance(rows := batch.read_payload(batch.open_batch(data)), Rows):
                for row, reading in enumerate(zip(rows.point, rows.time_us, rows.value, strict=True)):
                    places.setdefault(reading, []).append(f"epoch {epoch} batch {sequence} row {row}")
        return [f"{reading}: {'; '.join(found)}" for reading, found in places.items() if len(found) > 1]

    def gaps(self) -> list[Gap]:
        return [gap for payload in self.payloads() if isinstance(payload, Gaps) for gap in payload.gaps]


class AgentProcess:
    """The agent as it is run in a plant: its own process, its own files."""

    def __init__(self, folder: Path, device: str, broker: MosquittoBroker, **changes: object) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.device = device
        self.key = keys.generate(folder / "edge.key")
        password = folder / "uplink.password"
        password.write_text(broker.add_device(device))
        password.chmod(0o600)
        self.ingest = StandInIngest(broker, device, self.key.public_key())
        self.config = {
            "device": device,
            "signing_key": "edge.key",
            "ingest_key": keys.public_text(self.ingest.key),
            "spool": {"path": "spool.sqlite"},
            "batch": {"max_rows": 5000, "max_seconds": 0.3},
            "uplink": {
                "mqtt": f"mqtt://{device}@127.0.0.1:{broker.port}",
                "password_file": "uplink.password",
                "window": 20,
            },
        } | changes
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config_path(self) -> Path:
        return self.folder / "edge.yaml"

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text(encoding="utf-8")

    def start(self, *, death: dict[str, object] | None = None) -> AgentProcess:
        """Start it; `death` is the plan by which it kills itself (see `crashes`)."""
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False))
        program = ["retroproof"] if death is None else ["tests.edge_agent.crashes", json.dumps(death)]
        with (self.folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *program, "edge", "run", "--config", str(self.config_path)],
                stderr=log,
            )
        return self

    def wait_for_death(self) -> None:
        """Return once it has killed itself."""
        assert self._process is not None
        assert self._process.wait(DEADLINE_S) == -signal.SIGKILL, self.log

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(DEADLINE_S)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def status(self) -> AgentStatus:
        """What the agent said last; waits for its first word."""
        wait_for(lambda: read_status(self.folder / "status.json"), "a status of the agent")
        found = read_status(self.folder / "status.json")
        assert found is not None
        return found

    def close(self) -> None:
        if self.running():
            self.kill()
        self.ingest.stop()


class OpcUaProcess:
    """The small OPC UA server of `opcua_server.py`, told what to do line by line; its history outlives a kill."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/test"

    def start(self, *namespaces: str) -> OpcUaProcess:
        """Start it, with its nodes in the last of these namespaces, the first of which has the index 2."""
        own = {"port": self.port, "ledger": str(self.folder / "ledger.jsonl")}
        options = json.dumps(own | {"namespaces": namespaces or ["urn:test"]})
        with (self.folder / "opcua.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.edge_agent.opcua_server", options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        assert self._answer() == "ready"
        return self

    def tell(self, **order: object) -> dict[str, object]:
        """Have it do something; its answer when it is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, object] = json.loads(self._answer())
        return answer

    def _answer(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        if self._process is not None:
            self.kill()


class Line:
    """One test's own nodes on a server; the test's names are unique there by a prefix."""

    def __init__(
        self,
        server: OpcUaProcess,
        prefix: str,
        *,
        points: Sequence[str] = (),
        plain: Sequence[str] = (),
        page: int = 1000,
        lag_s: float = 0.0,
    ) -> None:
        self.server = server
        self._prefix = prefix
        self._nodes = {self._prefix + name: name in points for name in (*points, *plain)}
        server.tell(page=page, lag_s=lag_s, add=self._nodes)

    @property
    def url(self) -> str:
        return self.server.url

    def node(self, name: str) -> str:
        return f"ns=2;s={self._prefix}{name}"

    def tell(self, **orders: Sequence[Sequence[object]]) -> None:
        """Rows of (name, time, value[, status]) by what is to be done with them."""
        named = {what: [(f"{self._prefix}{name}", *rest) for name, *rest in rows] for what, rows in orders.items()}
        self.server.tell(**named)

    def forget_sessions(self) -> None:
        """The server forgets who was connected, with their subscriptions."""
        self.server.tell(forget_sessions=True)

    def restart(self, *namespaces: str) -> None:
        """Start the killed server; its nodes and their history are there again, in the last of the namespaces."""
        self.server.start(*namespaces)
        self.server.tell(add=self._nodes)


class NodeOpcUa(Peer):
    """node-opcua as a server; its nodes are `ns=1;s=<name>`."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.port = free_port()
        options = {"port": self.port, "pki": str(folder / "pki")} | options
        super().__init__("opcua_server.js", options, folder / "node-opcua.log")

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/test"


def ticking_points(count: int, namespace: int, prefix: str = "") -> dict[str, dict[str, str]]:
    """Configuration of the variables that a server's order `tick` makes."""
    return {
        f"{prefix}t{number}": {"node": f"ns={namespace};s=t{number}", "unit": "kWh", "kind": "counter"}
        for number in range(count)
    }
