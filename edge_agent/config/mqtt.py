"""How a broker is reached, for sources and for the uplink; the keys of an MQTT source and of its points."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

from edge_agent.config.base import KIND, Problems, Strict, read_password
from edge_agent.config.point import PointConfig
from verification.errors import ConfigError

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}

MqttVersion = Literal[5, "3.1.1"]


class Broker(Strict, frozen=True):
    """What is needed to log in to an MQTT broker; see `endpoint` for the address."""

    PATHS: ClassVar[tuple[str, ...]] = ("password_file", "ca_file", "cert_file", "key_file")

    mqtt: str
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class MqttPointConfig(PointConfig, frozen=True, kw_only=True):
    """A topic, and for a JSON payload the paths to value, time and quality in it."""

    topic: str = ""
    value: str = ""
    time: str = ""
    quality: str = ""

    @property
    def address(self) -> str:
        """The topic, with the path to the value if there is one."""
        return f"{self.topic}#{self.value}" if self.value else self.topic


class MqttSourceConfig(Broker, frozen=True, kw_only=True, tag_field=KIND, tag="mqtt"):
    """A broker to read from. Version 3.1.1 has no receipts and tells no reasons; use 5 where the broker speaks it."""

    version: MqttVersion = 5
    points: dict[str, MqttPointConfig]

    @property
    def endpoint(self) -> str:
        """The broker's address."""
        return self.mqtt


class Endpoint(NamedTuple):
    """An MQTT broker's address and login."""

    host: str
    port: int
    tls: bool
    user: str


def endpoint(url: str) -> Endpoint:
    """Take an `mqtt://user@host:port` or `mqtts://` address apart. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise ConfigError(f"{url!r} is not an address: {err}") from err
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"{url!r} is not an MQTT address; write mqtt://user@host:1883, or mqtts:// for TLS")
    if parts.password:
        raise ConfigError("a password does not belong into the address; put it into a file and name it: password_file")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError(f"{url!r}: an MQTT address ends after the port")
    return Endpoint(parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme == "mqtts", parts.username or "")


def broker_problems(place: str, broker: Broker) -> Problems:
    """What is wrong with the address, the password and the certificates."""
    try:
        address = endpoint(broker.mqtt)
        if broker.password_file:
            read_password(broker.password_file)
    except ConfigError as err:
        yield place, str(err)
        return
    if broker.password_file and not address.user:
        yield place, "a password needs a user in the address: mqtt://user@host"
    files = {"ca_file": broker.ca_file, "cert_file": broker.cert_file, "key_file": broker.key_file}
    for key, name in files.items():
        if name and not address.tls:
            yield f"{place}.{key}", "certificates are used with mqtts:// only"
        elif name and not Path(name).is_file():
            yield f"{place}.{key}", f"there is no file {name}"
    if bool(broker.cert_file) != bool(broker.key_file):
        yield place, "cert_file and key_file go together"


def source_problems(place: str, source: MqttSourceConfig) -> Problems:
    """What is wrong with the broker and the topics."""
    yield from broker_problems(place, source)
    for name, point in source.points.items():
        yield from _topic_problems(f"{place}.points.{name}", point)


def _topic_problems(place: str, point: MqttPointConfig) -> Problems:
    if not point.topic or set(point.topic) & set("+#"):
        yield f"{place}.topic", "write one topic in full, without + and #"
    if not point.value and (point.time or point.quality):
        yield place, "time and quality are paths into a JSON payload, which also needs a path to the value"
