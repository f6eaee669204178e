"""The configuration file: what reads well is used as written, every mistake is named with its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import yaml

from edge_agent.config import EdgeConfig, load
from edge_agent.config.base import read_password
from edge_agent.config.mqtt import endpoint
from edge_agent.config.opcua import OpcUaSourceConfig, Sampling
from verification import keys
from verification.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Has the files that `GOOD` names."""
    keys.generate(tmp_path / "edge.key")
    for name in ("uplink.password", "gate.password"):
        (tmp_path / name).write_text("secret\n")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def good() -> dict:
    return {
        "device": "hengkang-potline-1",
        "signing_key": "edge.key",
        "ingest_key": "ed25519:" + "00" * 31 + "01",
        "uplink": {"mqtt": "mqtt://hengkang@127.0.0.1", "password_file": "uplink.password"},
        "sources": {
            "potline": {
                "opcua": "opc.tcp://127.0.0.1:4840/retroproof",
                "security": "None",
                "points": {
                    "ac_energy": {
                        "node": "ns=2;s=Potline1.ac_energy",
                        "unit": "kWh",
                        "kind": "counter",
                        "meter": "M-AC-01",
                    }
                },
            },
            "gate": {
                "mqtt": "mqtt://edge@127.0.0.1:1884",
                "password_file": "gate.password",
                "points": {
                    "staff": {
                        "topic": "badge/staff",
                        "value": "value",
                        "time": "time",
                        "unit": "heads",
                        "kind": "gauge",
                    }
                },
            },
        },
    }


def sparkplug(**changes: str) -> dict:
    point = {"edge_node": "Hall1/Press", "metric": "Energy", "unit": "kWh", "kind": "counter"}
    return {"sparkplug": "mqtt://127.0.0.1", "points": {"press_energy": point | changes}}


def office(**changes: object) -> dict:
    times = {"time": ["日期", "时间"], "time_format": "%Y-%m-%d %H:%M", "time_zone": "Asia/Shanghai"}
    points = {"night": {"column": "人数", "where": {"班次": "夜班"}, "unit": "heads", "kind": "gauge"}}
    return {"files": ".", "points": points, **times, **changes}


def changed(path: str, value: object) -> dict:
    """The good configuration with the entry at a dotted path replaced, or removed if the value is None."""
    config = good()
    *folders, name = path.split("/")
    part = config
    for step in folders:
        part = part.setdefault(step, {})
    if value is None:
        part.pop(name)
    else:
        part[name] = value
    return config


def load_yaml(folder: Path, config: object):
    path = folder / "edge.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    return load(path)


def test_a_good_file_gives_absolute_paths_and_every_point(folder):
    config = load_yaml(folder, good())
    assert config.spool_path == folder / "spool.sqlite"
    assert config.uplink.password_file == str(folder / "uplink.password")
    assert [(point.name, point.address, point.meter) for point in config.points] == [
        ("ac_energy", "ns=2;s=Potline1.ac_energy", "M-AC-01"),
        ("staff", "badge/staff#value", ""),
    ]
    assert keys.public_text(config.trusted_key()) == good()["ingest_key"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("device", "Potline 1", "a-z, 0-9 and -"),
        ("devise", "x", "did you mean 'device'"),
        ("signing_key", "missing.key", "missing.key"),
        ("ingest_key", "ed25519:12", "32 bytes long; write the key that the operator gave you"),
        ("sources", {}, "at least one source"),
        ("sources/potline/points", {}, "at least one point"),
        ("sources/potline/points/ac_energy/node", "nonsense", "not a NodeId"),
        ("sources/potline/points/ac_energy/node", None, "not a NodeId"),
        ("sources/potline/points/ac_energy/node", "nsu=;s=a", "needs one namespace"),
        ("sources/potline/points/ac_energy/node", "nsu=urn:plc;ns=2;s=a", "needs one namespace"),
        ("sources/potline/points/ac_energy/node", "nsu=urn:plc", "not a NodeId"),
        ("sources/potline/points/ac_energy/topic", "t", "unknown key 'topic'"),
        ("sources/potline/points/ac_energy/unit", "kWhh", "not a known unit"),
        ("sources/potline/points/ac_energy/unit", "kW", "a unit of power, which a counter cannot add up"),
        (
            "sources/potline/points/ac_energy",
            {"node": "i=1", "unit": "kW", "kind": "gauge", "quantity": "energy"},
            "sources.potline.points.ac_energy.unit: 'kW' is a unit of power, and no unit of energy",
        ),
        (
            "sources/potline/points/pots",
            {"node": "i=1", "unit": "m", "kind": "counter", "quantity": "output"},
            "sources.potline.points.pots.unit: 'm' is a unit of length, and no unit of output",
        ),
        (
            "sources/potline/points/ac_energy",
            {"node": "i=1", "unit": "kWh", "kind": "counter", "quantity": "enrgy"},
            "did you mean 'energy'?",
        ),
        ("sources/gate/points/staff/nod", "i=1", "unknown key 'nod'; did you mean 'node'?"),
        ("sources/potline/points/ac_energy/kind", "meter", "is not one of"),
        (
            "sources/potline/points/ac energy",
            {"node": "i=1", "unit": "1", "kind": "gauge"},
            "begins with a letter",
        ),
        ("sources/potline/points/staff", {"node": "i=1", "unit": "1", "kind": "gauge"}, "rename one"),
        ("sources/potline/opcua", "http://127.0.0.1:4840", "opc.tcp://host:4840/path"),
        ("sources/potline/opcua", "opc.tcp://127.0.0.1", "opc.tcp://host:4840/path"),
        ("sources/potline/opcua", "opc.tcp://127.0.0.1:99999", "opc.tcp://host:4840/path"),
        ("sources/potline/opcua", "opc.tcp://me:pw@127.0.0.1:4840", "user: and password_file:"),
        ("sources/potline/opcua", None, "give either opcua:, mqtt:"),
        ("sources/potline/mqtt", "mqtt://h", "give either opcua:, mqtt:"),
        ("sources/potline/password_file", "gate.password", "user and password_file go together"),
        ("sources/potline/security", None, "write None to read without protection"),
        ("sources/potline/security", "Basic256/Sign", "is not a security"),
        ("sources/potline/trust_dir", "trusted", "has no meaning with security: None"),
        ("sources/potline/user_cert", "missing.der", "user_cert and user_key go together"),
        ("sources/potline/publishing_ms", 5, "lies outside 10 to"),
        ("sources/potline/groups", {"fast": {"queue_size": 0}}, "groups.fast.queue_size: 0 lies outside"),
        ("sources/potline/points/ac_energy/group", "fast", "there is no group 'fast'"),
        ("sources/potline/points/ac_energy/index", -1, "the first element has the index 0"),
        ("sources/potline/points/ac_energy/deadband_percent", 101, "lies outside 0 to 100"),
        ("sources/gate/mqtt", "tcp://127.0.0.1", "not an MQTT address"),
        ("sources/gate/mqtt", "mqtt://edge:pw@127.0.0.1", "put it into a file"),
        ("sources/gate/mqtt", "mqtt://127.0.0.1", "needs a user"),
        ("sources/gate/ca_file", "ca.pem", "mqtts:// only"),
        ("sources/gate/points/staff/topic", "badge/#", "without + and #"),
        ("sources/gate/points/staff/value", None, "a path to the value"),
        ("sources/gate/points/staff/node", "i=1", "unknown key 'node'"),
        ("sources/gate/version", 3, "'3' is not one of"),
        ("sources/press", sparkplug(edge_node="Press"), "Hall1/Press"),
        ("sources/press", sparkplug(edge_node="Hall/1/Press"), "Hall1/Press"),
        ("sources/press", sparkplug(device="Meter+"), "holds no / + or #"),
        ("sources/press", sparkplug(metric=""), "as the birth certificate has it"),
        ("sources/office", office(files="nowhere"), "mkdir -p"),
        ("sources/office", office(time_zone="Mars/Olympus"), "is no time zone"),
        ("sources/office", office(time_zone=""), "name their zone"),
        ("sources/office", office(time_format="%H:%M"), "reads 2026-03-21 20:45 as 1900-01-01 20:45; have year, month"),
        ("sources/office", office(time_format="%Y-%m-%d %I:%M"), "as 2026-03-21 08:45; have year, month and day in it"),
        ("sources/office", office(time=[]), "name the column of the time"),
        ("sources/office", office(delimiter=",,"), "write one character"),
        ("sources/office", office(pattern="../*.csv"), "without folders"),
        ("sources/office", office(encoding="latin1"), "is not one of"),
        ("uplink/password_file", "none", "write the password on its first line, then: chmod 600"),
        ("uplink/window", 0, "lies outside 1 to"),
        ("uplink/window", 1001, "lies outside 1 to"),
        ("batch/max_rows", 0, "lies outside 1 to 8000"),
        ("batch/max_rows", 8001, "lies outside 1 to 8000"),
        ("spool/max_bytes", 1048575, "lies outside 1048576"),
        ("sources/potline/publishing_ms", 9, "lies outside 10 to"),
    ],
)
def test_a_mistake_is_refused_with_its_place_and_its_mend(folder, path, value, message):
    with pytest.raises(ConfigError) as caught:
        load_yaml(folder, changed(path, value))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(folder / "edge.yaml"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("uplink/window", 1),
        ("uplink/window", 1000),
        ("batch/max_rows", 1),
        ("batch/max_rows", 8000),
        ("spool/max_bytes", 1048576),
        ("sources/potline/publishing_ms", 10),
    ],
)
def test_the_bounds_themselves_are_taken(folder, path, value):
    load_yaml(folder, changed(path, value))


@pytest.mark.parametrize("name", ["edge.key", "uplink.password", "gate.password"])
def test_a_secret_that_others_can_read_is_refused(folder, name):
    (folder / name).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_yaml(folder, good())


LEVELS = {"sampling_ms": 250.0, "publishing_ms": 2_500.0, "queue_size": 25, "deadband": 2.5, "deadband_percent": 5.0}


@pytest.mark.parametrize("key", LEVELS)
def test_what_is_said_nearest_to_a_point_is_asked_for_it(key):
    """At the point before its group, in the group before the source, at the source before the default."""
    value = LEVELS[key]
    plain = {"node": "i=1", "unit": "kWh", "kind": "counter"}
    points = {"own": plain | {key: value, "group": "fast"}, "grouped": plain | {"group": "fast"}, "alone": plain}
    source = {"opcua": "opc.tcp://h:1", "points": points, "groups": {"fast": {key: 2 * value}}}
    for said, expected in (({key: 3 * value}, 3 * value), ({}, getattr(Sampling(), key))):
        read = msgspec.convert(source | said, OpcUaSourceConfig)
        found = {name: getattr(read.sampling(point), key) for name, point in read.points.items()}
        assert found == {"own": value, "grouped": 2 * value, "alone": expected}


@pytest.mark.parametrize(("near", "far"), [("deadband", "deadband_percent"), ("deadband_percent", "deadband")])
def test_one_kind_of_deadband_takes_the_place_of_the_other(near, far):
    point = {"node": "i=1", "unit": "kWh", "kind": "counter", "group": "fast", near: 5.0}
    source = {"opcua": "opc.tcp://h:1", "points": {"p": point}, "groups": {"fast": {far: 3.0}}, far: 4.0}
    read = msgspec.convert(source, OpcUaSourceConfig)
    found = read.sampling(read.points["p"])
    assert (getattr(found, near), getattr(found, far)) == (5.0, 0.0)


@pytest.mark.parametrize("written", ["secret", "secret\n", "secret\r\n", "\ufeffsecret\r\n", "secret\nand a note\n"])
def test_a_password_is_read_as_any_editor_writes_it(folder, written):
    (folder / "gate.password").write_bytes(written.encode())
    assert read_password(str(folder / "gate.password")) == "secret"


def test_certificates_belong_to_mqtts_and_must_be_there(folder):
    config = changed("uplink/mqtt", "mqtts://hengkang@127.0.0.1")
    config["uplink"]["ca_file"] = "ca.pem"
    with pytest.raises(ConfigError, match=r"there is no file .*ca\.pem"):
        load_yaml(folder, config)
    (folder / "ca.pem").write_text("")
    assert load_yaml(folder, config).uplink.ca_file == str(folder / "ca.pem")


def test_ports_have_their_registered_defaults():
    assert endpoint("mqtt://u@h") == ("h", 1883, False, "u")
    assert endpoint("mqtts://h") == ("h", 8883, True, "")
    assert endpoint("mqtt://u@[::1]:1234") == ("::1", 1234, False, "u")


@pytest.mark.parametrize(
    ("uplink", "place"),
    [
        ({"https": "https://ingest.example", "mqtt": "mqtt://broker"}, "not both"),
        ({}, "give either mqtt: or https:"),
        ({"https": "http://ingest.example"}, "without TLS"),
        ({"https": "https://user:secret@ingest.example"}, "leave user and password out"),
        ({"https": "ftp://ingest.example"}, "not an address of ingest"),
        ({"https": "https://ingest.example", "password_file": "uplink.password"}, "is for brokers"),
        ({"https": "https://ingest.example", "ca_file": "nothing.pem"}, "there is no file"),
        ({"https": "https://ingest.example", "fallbacks": [{"https": "http://10.0.0.1"}]}, "fallbacks[0]"),
        ({"https": "https://ingest.example", "silence_s": 0}, "silence_s"),
    ],
)
def test_a_way_that_cannot_be_meant_is_named(folder, uplink, place):
    with pytest.raises(ConfigError) as refused:
        load_yaml(folder, good() | {"uplink": uplink})
    assert place in str(refused.value)


def test_a_drop_folder_is_found_beside_the_configuration(folder):
    source = load_yaml(folder, changed("sources/office", office())).sources["office"]
    assert (Path(source.files), source.time_columns) == (folder, ("日期", "时间"))
    assert source.points["night"].address == "人数[班次=夜班]"


def test_two_sources_do_not_take_each_other_s_files_away(folder):
    sources = good()["sources"] | {"office": office(), "yard": office(points={"day": office()["points"]["night"]})}
    with pytest.raises(ConfigError, match=r"sources.yard.files: sources.office takes these files away"):
        load_yaml(folder, good() | {"sources": sources})
    sources["yard"]["pattern"] = "yard-*.csv"
    load_yaml(folder, good() | {"sources": sources})


def test_every_way_has_its_files_beside_the_configuration(folder):
    for name in ("ca.pem", "edge.cert.pem", "edge.key.pem"):
        (folder / name).write_text("")
    tls = {"ca_file": "ca.pem", "cert_file": "edge.cert.pem", "key_file": "edge.key.pem"}
    fallback = {"https": "https://ingest.example:8443/plant", **tls}
    uplink = good()["uplink"] | {"fallbacks": [fallback]}
    ways = load_yaml(folder, good() | {"uplink": uplink}).uplink.ways
    assert [way.host_port for way in ways] == [("127.0.0.1", 1883), ("ingest.example", 8443)]
    assert ways[1].ca_file == str(folder / "ca.pem")


def test_every_setting_is_in_the_reference():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "edge.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[a-z][a-z_0-9]*\b", " ".join(re.findall(r"`[^`]+`", page))))
    todo, keys_of_all = [EdgeConfig], set()
    while todo:
        struct = todo.pop()
        for field in msgspec.structs.fields(struct):
            keys_of_all.add(field.name)
            for part in _structs_in(field.type):
                todo += [part] if part not in todo else []
    assert keys_of_all - named == set()


def _structs_in(kind: object) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [part for argument in get_args(kind) for part in _structs_in(argument)]
