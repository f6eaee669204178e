"""The whole configuration file, as `load` reads and checks it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_agent.config.base import Problems, Strict, is_loopback, with_absolute_paths
from edge_agent.config.csvfile import shared_folder_problems
from edge_agent.config.source import SourceConfig, source_problems, tell_kinds
from edge_agent.config.uplink import BatchConfig, SpoolConfig, UplinkConfig, uplink_problems
from edge_agent.identity.keystore import FileKeyStore, KeyStore
from edge_agent.spool_model import MICROSECONDS_PER_DAY, Limits
from verification import keys
from verification.batch import MAX_POINTS
from verification.errors import ConfigError
from verification.model import DEVICE_ID, Point
from verification.yamlfile import load_yaml

MAX_PORT = 65_536
CERTIFICATES = "opcua"  # the folder of OPC UA servers' certificates, beside the spool


class EdgeConfig(Strict, frozen=True):
    """The whole file, as `load` returns it: checked, and every path absolute."""

    PATHS: ClassVar[tuple[str, ...]] = ("signing_key",)

    device: str
    signing_key: str
    ingest_key: str
    uplink: UplinkConfig
    sources: dict[str, SourceConfig]
    spool: SpoolConfig = SpoolConfig()
    batch: BatchConfig = BatchConfig()
    metrics: str = ""

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point of every source, in the order of the file."""
        return tuple(
            Point(name, point.address, point.unit, point.kind, point.meter)
            for source in self.sources.values()
            for name, point in source.points.items()
        )

    @property
    def spool_path(self) -> Path:
        """The spool's file."""
        return Path(self.spool.path)

    @property
    def status_path(self) -> Path:
        """Where a running agent says each second how it fares."""
        return self.spool_path.with_name("status.json")

    @property
    def certificates(self) -> Path:
        """Where the certificates of OPC UA servers lie, unless a source names another folder."""
        return self.spool_path.parent / CERTIFICATES

    def key_store(self) -> KeyStore:
        """Where the key that signs batches lies."""
        return FileKeyStore(Path(self.signing_key))

    def private_key(self) -> Ed25519PrivateKey:
        """The key that signs batches. Raises ConfigError."""
        return self.key_store().current()

    def limits(self) -> Limits:
        """The bounds of spool and batch."""
        return Limits(
            max_bytes=self.spool.max_bytes,
            max_age_us=int(self.spool.max_age_days * MICROSECONDS_PER_DAY),
            max_rows=self.batch.max_rows,
            max_wait_us=int(self.batch.max_seconds * 1_000_000),
        )

    def trusted_key(self) -> Ed25519PublicKey:
        """The key whose acknowledgements are believed. Raises ConfigError."""
        try:
            return keys.parse_public(self.ingest_key)
        except ConfigError as err:
            raise ConfigError(f"{err}; write the key that the operator gave you or `edge enroll` printed") from err


def load(path: Path) -> EdgeConfig:
    """Read and check the file. Raises ConfigError, naming the place and the mend."""
    config = _with_absolute_paths(load_yaml(path, EdgeConfig, prepare=tell_kinds), path.absolute().parent)
    for place, problem in _problems(config):
        raise ConfigError(f"{path}: {place}: {problem}")
    return config


def _with_absolute_paths(config: EdgeConfig, folder: Path) -> EdgeConfig:
    return msgspec.structs.replace(
        with_absolute_paths(config, folder),
        spool=with_absolute_paths(config.spool, folder),
        uplink=config.uplink.with_absolute_paths(folder),
        sources={name: with_absolute_paths(source, folder) for name, source in config.sources.items()},
    )


def _problems(config: EdgeConfig) -> Problems:
    """Every place in the file that reads well but cannot be meant, with what to do about it."""
    if not DEVICE_ID.fullmatch(config.device):
        yield "device", "use a-z, 0-9 and -, at most 63 characters, for example hengkang-potline-1"
    for place, check in (("signing_key", config.private_key), ("ingest_key", config.trusted_key)):
        try:
            check()
        except ConfigError as err:
            yield place, str(err)
    yield from uplink_problems(config.uplink, config.spool, config.batch)
    yield from _metrics_problems(config.metrics)
    if not config.sources:
        yield "sources", "name at least one source"
    yield from shared_folder_problems(config.sources)
    seen: dict[str, str] = {}
    for source_name, source in config.sources.items():
        place = f"sources.{source_name}"
        yield from source_problems(place, source)
        for name in source.points:
            if name in seen:
                yield f"{place}.points.{name}", f"{seen[name]} has a point of this name already; rename one"
            seen[name] = place
    if len(seen) > MAX_POINTS:
        yield "sources", f"{len(seen)} points; at most {MAX_POINTS} have room in one catalogue"


def _metrics_problems(address: str) -> Problems:
    """The figures are for this machine only, like everything that the agent opens."""
    host, _, port = address.rpartition(":")
    if address and not (is_loopback(host.strip("[]")) and port.isdecimal() and 0 < int(port) < MAX_PORT):
        yield "metrics", f"{address!r} is not an address of this machine itself; write for example 127.0.0.1:9464"
