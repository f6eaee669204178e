"""`ingest_vs_copy` and `ack_ms_p95_*`: sealed batches from an MQTT client to committed rows, the whole way.

`ingest_vs_copy`: from the first publish (MQTT v5, QoS 1, through a real Mosquitto) to the signed acknowledgement of the
last batch, against the server reading the same rows from a file into the same hypertable with the same index. The
publisher, the broker, the workers and the database share the machine.

`ack_ms_p95_idle`: one batch of ROWS readings at a time, from its publish to its signed acknowledgement, while nothing
else happens; for this the limit holds. `ack_ms_p95_loaded`: the same of each batch of the runs above, where WINDOW of
them are always under way, so nearly all of it is waiting for those before.
"""

from __future__ import annotations

import queue
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from deploy.local.mosquitto import MosquittoBroker
from ingest.database import Connection, connect
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.load import BATCHES, ROWS, seal_batches
from verification import ack, keys
from verification.mqtt_socket import send_at_once

ROUNDS = 5
WORKERS = 2
LATENCIES = 60
WINDOW = 100
LIMIT_MS = 100.0
DEADLINE_S = 60.0


def measure(ground: Ground) -> list[Figure]:
    """Start broker and workers, and measure both."""
    url = ground.database("bench_ingest")
    broker = MosquittoBroker(ground.servers, ground.folder / "uplink", "uplink")
    broker.start(ground.supervisor)
    with connect(url) as conn, _workers(ground.folder, url, broker) as key:
        ingest, loaded_ms = _ingest_vs_copy(conn, broker, key, ground.copy_file)
        idle_p95, loaded_p95 = _p95(_idle_ms(conn, broker, key)), _p95(loaded_ms)
        limit = f"the limit of {LIMIT_MS:.0f} ms, {ROWS:,} rows a batch, one at a time"
        window = f"that of one at a time; {WINDOW} under way"
        return [
            ingest,
            Figure("ack_ms_p95_idle", idle_p95, "ms", limit, idle_p95 / LIMIT_MS),
            Figure("ack_ms_p95_loaded", loaded_p95, "ms", window, loaded_p95 / idle_p95),
        ]


class Publisher:
    """A device that publishes sealed batches in a window, as the agent does, and hears its acknowledgements."""

    def __init__(self, broker: MosquittoBroker, device: str, key: Ed25519PublicKey) -> None:
        self._device, self._key = device, key
        self._heard: queue.Queue[bytes] = queue.Queue()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(device, broker.add_device(device))
        self._client.max_inflight_messages_set(WINDOW)
        self._client.on_socket_open = send_at_once
        self._client.on_message = lambda _client, _data, message: self._heard.put(message.payload)
        subscribed: queue.Queue[None] = queue.Queue()
        self._client.on_subscribe = lambda *_: subscribed.put(None)
        self._client.on_connect = lambda client, *_: client.subscribe(f"ack/{device}", qos=1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        subscribed.get(timeout=DEADLINE_S)

    def send(self, sealed: Sequence[bytes], *, through: int) -> list[float]:
        """Publish, and wait until everything up to `through` is acknowledged; how long each batch took, in ms."""
        sent_at: list[float] = []
        took_ms: list[float] = []
        while len(took_ms) < len(sealed):
            while len(sent_at) < min(len(sealed), len(took_ms) + WINDOW):
                sent_at.append(time.perf_counter())
                self._client.publish(f"plant/{self._device}/batch", sealed[len(sent_at) - 1], qos=1)
            said = ack.open_signed(self._heard.get(timeout=DEADLINE_S), self._key)
            if said.refused:
                raise RuntimeError("a batch of the bench was refused; what was measured is not ingest")
            now = time.perf_counter()
            settled = said.through - through + len(sealed)
            took_ms += [(now - begin) * 1e3 for begin in sent_at[len(took_ms) : settled]]
        return took_ms

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def _workers(folder: Path, url: str, broker: MosquittoBroker) -> Iterator[Ed25519PublicKey]:
    key = keys.generate(folder / "ingest.key")
    password = folder / "ingest.password"
    password.touch(0o600)
    password.write_text(broker.password("ingest"))
    config = folder / "ingest.yaml"
    config.write_text(
        f"db: {url}\nmqtt: mqtt://ingest@127.0.0.1:{broker.port}\n"
        "password_file: ingest.password\nsigning_key: ingest.key\n"
    )
    command = [sys.executable, "-m", "retroproof", "ingest", "serve", "--config", str(config), "--log-level", "info"]
    logs = [folder / f"worker-{number}.log" for number in range(WORKERS)]
    running = [subprocess.Popen(command, stderr=log.open("wb")) for log in logs]
    try:
        until = time.monotonic() + DEADLINE_S
        while not all("ready" in log.read_text() for log in logs):
            if time.monotonic() > until:
                raise RuntimeError("the workers do not start:\n" + "".join(log.read_text() for log in logs))
            time.sleep(0.05)
        yield key.public_key()
    finally:
        for worker in running:
            worker.terminate()
        for worker in running:
            worker.wait()


def _ingest_vs_copy(
    conn: Connection, broker: MosquittoBroker, key: Ed25519PublicKey, copy_file: Path
) -> tuple[Figure, list[float]]:
    """The figure, and how long each batch took, in ms."""
    ratios, rates, took_ms = [], [], []
    for number in range(ROUNDS + 1):
        device = f"ingest-{number}"
        catalogue, *sealed = seal_batches(conn, device)
        publisher = Publisher(broker, device, key)
        publisher.send([catalogue], through=0)
        if number == 0:  # the servers' first time, and the rows of the file
            publisher.send(sealed, through=BATCHES)
            as_they_came = "TABLE telemetry.reading ORDER BY batch_id, row"
            conn.execute(f"COPY ({as_they_came}) TO '{copy_file}' (FORMAT binary)".encode())
            publisher.close()
            continue
        seconds: dict[str, float] = {}
        for name in ("ingest", "copy") if number % 2 else ("copy", "ingest"):
            conn.execute("TRUNCATE telemetry.reading")
            conn.execute("CHECKPOINT")
            begin = time.perf_counter()
            if name == "ingest":
                took_ms += publisher.send(sealed, through=BATCHES)
            else:
                conn.execute(f"COPY telemetry.reading FROM '{copy_file}' (FORMAT binary)".encode())
            seconds[name] = time.perf_counter() - begin
            row = conn.execute("SELECT count(*) FROM telemetry.reading").fetchone()
            if row != (BATCHES * ROWS,):
                raise RuntimeError(f"{row} rows after {name}; the comparison needs the same rows on both sides")
        publisher.close()
        ratios.append(seconds["copy"] / seconds["ingest"])
        rates.append(BATCHES * ROWS / seconds["ingest"])
    against = f"COPY FROM file, {BATCHES * ROWS:,} rows; {WORKERS} workers"
    return Figure("ingest_vs_copy", statistics.median(rates), "rows/s", against, statistics.median(ratios)), took_ms


def _idle_ms(conn: Connection, broker: MosquittoBroker, key: Ed25519PublicKey) -> list[float]:
    catalogue, *sealed = seal_batches(conn, "ack", LATENCIES)
    publisher = Publisher(broker, "ack", key)
    publisher.send([catalogue], through=0)
    took_ms = [took for number, data in enumerate(sealed, 1) for took in publisher.send([data], through=number)]
    publisher.close()
    return took_ms


def _p95(took_ms: Sequence[float]) -> float:
    return statistics.quantiles(took_ms, n=20)[-1]
