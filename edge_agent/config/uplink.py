"""The keys of the way to ingest, and of what is kept and sealed on that way."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

from edge_agent.config.base import Problems, Strict, is_loopback, range_problems, with_absolute_paths
from edge_agent.config.mqtt import Broker, broker_problems, endpoint

# A row has 31 bytes before compression, so that even incompressible rows stay below the 256 KiB of a sealed batch.
MAX_BATCH_ROWS = 8_000
MIN_SPOOL_BYTES = 1024 * 1024
MAX_WINDOW = 1_000
MAX_WAYS = 8
DEFAULT_PORTS = {"http": 80, "https": 443}


class SpoolConfig(Strict, frozen=True):
    """Where readings wait for their acknowledgement, and how much may wait how long."""

    PATHS: ClassVar[tuple[str, ...]] = ("path",)

    path: str = "spool.sqlite"
    max_bytes: int = 1 << 30
    max_age_days: float = 90.0


class BatchConfig(Strict, frozen=True):
    """When waiting readings are sealed into a batch: at so many rows, or after so long."""

    max_rows: int = 5_000
    max_seconds: float = 2.0


class Way(Strict, frozen=True):
    """One way to ingest: an MQTT v5 broker, or ingest's own HTTPS address. Exactly one of the two is given."""

    PATHS: ClassVar[tuple[str, ...]] = Broker.PATHS

    mqtt: str = ""
    https: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def address(self) -> str:
        """The address, of either kind."""
        return self.mqtt or self.https

    @property
    def broker(self) -> Broker:
        """How the broker is reached, where this way is one."""
        return Broker(self.mqtt, self.password_file, self.ca_file, self.cert_file, self.key_file)

    @property
    def host_port(self) -> tuple[str, int]:
        """Where a TCP connection would go."""
        if self.mqtt:
            found = endpoint(self.mqtt)
            return found.host, found.port
        parts = urlsplit(self.https)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


class UplinkConfig(Way, frozen=True):
    """The ways to ingest, the preferred one first, and how they are used.

    window: batches that may be under way without an acknowledgement; silence_s: how long a way may bring none before
    the next is tried; return_after_s: how long a fallback is used before the first way is tried again; heartbeat_s:
    after so long without a batch, one that says no more than "alive".
    """

    window: int = 20
    fallbacks: tuple[Way, ...] = ()
    silence_s: float = 30.0
    return_after_s: float = 300.0
    heartbeat_s: float = 60.0

    @property
    def ways(self) -> tuple[Way, ...]:
        """All of them, in the order in which they are tried."""
        return (self, *self.fallbacks)

    def with_absolute_paths(self, folder: Path) -> UplinkConfig:
        """The same with the file names of every way made absolute."""
        fallbacks = tuple(with_absolute_paths(way, folder) for way in self.fallbacks)
        return msgspec.structs.replace(with_absolute_paths(self, folder), fallbacks=fallbacks)


def uplink_problems(uplink: UplinkConfig, spool: SpoolConfig, batch: BatchConfig) -> Problems:
    """What is wrong on the way out."""
    yield from range_problems(spool, "spool", {"max_bytes": (MIN_SPOOL_BYTES, 1 << 42), "max_age_days": (0.01, 3_650)})
    yield from range_problems(batch, "batch", {"max_rows": (1, MAX_BATCH_ROWS), "max_seconds": (0.05, 3_600)})
    bounds: dict[str, tuple[float, float]] = {
        "window": (1, MAX_WINDOW),
        "silence_s": (1, 86_400),
        "return_after_s": (1, 86_400),
        "heartbeat_s": (1, 86_400),
    }
    yield from range_problems(uplink, "uplink", bounds)
    if len(uplink.ways) > MAX_WAYS:
        yield "uplink.fallbacks", f"{len(uplink.fallbacks)} fallbacks; at most {MAX_WAYS - 1} are used"
    yield from _way_problems("uplink", uplink)
    for number, way in enumerate(uplink.fallbacks):
        yield from _way_problems(f"uplink.fallbacks[{number}]", way)


def _way_problems(place: str, way: Way) -> Problems:
    if bool(way.mqtt) == bool(way.https):
        yield place, "give either mqtt: or https:, and not both"
    elif way.mqtt:
        yield from broker_problems(place, way.broker)
    else:
        yield from _https_problems(place, way)


def _https_problems(place: str, way: Way) -> Problems:
    try:
        parts = urlsplit(way.https)
        usable = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable or parts.query or parts.fragment:
        yield f"{place}.https", f"{way.https!r} is not an address of ingest; write https://ingest.example"
    elif parts.username or parts.password:
        yield f"{place}.https", "the device's key proves who sends; leave user and password out of the address"
    elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield f"{place}.https", "without TLS only this machine itself can be reached; write https://"
    if way.password_file:
        yield f"{place}.password_file", "is for brokers; over HTTPS the device's key proves who sends"
    for key in ("ca_file", "cert_file", "key_file"):
        name = getattr(way, key)
        if name and not Path(name).is_file():
            yield f"{place}.{key}", f"there is no file {name}"
    if bool(way.cert_file) != bool(way.key_file):
        yield place, "cert_file and key_file go together"
