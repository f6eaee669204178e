"""Writes a first edge.yaml: what was picked, what enrolment left, and a comment wherever a person must look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from edge_agent.commission.pick import Pick
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.identity import enrolment
from edge_agent.table import printable
from verification.errors import ConfigError

LOGIN_FILES = ("password_file", "user_cert", "user_key")
MISSING_DEVICE, MISSING_KEY = "my-device-1", "ed25519:"


@dataclass(frozen=True, slots=True)
class Draft:
    """What goes into the file. Empty texts are what nobody said yet; the file says how to find them."""

    source: str
    server: OpcUaSourceConfig
    picks: Sequence[Pick]
    device: str = ""
    ingest_key: str = ""
    uplink: str = ""
    has_certificate: bool = False


def enrolled(folder: Path) -> tuple[str, str, bool]:
    """What enrolment left in a folder: device, key of ingest, and whether there is a certificate; empty where not."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / enrolment.CERTIFICATE).read_bytes())
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value), (folder / enrolment.INGEST_KEY).read_text(encoding="ascii").strip(), True
    except FileNotFoundError:
        return "", "", False
    except (OSError, ValueError, IndexError) as err:
        raise ConfigError(f"{folder}: what enrolment left cannot be read ({err}); run it again") from err


def seen_from(folder: Path, server: OpcUaSourceConfig) -> OpcUaSourceConfig:
    """The same with the files of its login as they are named in a configuration in `folder`, an absolute path."""
    named = {}
    for key in LOGIN_FILES:
        if name := getattr(server, key):
            path = Path(name).absolute()
            named[key] = str(path.relative_to(folder) if path.is_relative_to(folder) else path)
    return msgspec.structs.replace(server, **named)


def write(draft: Draft, path: Path) -> None:
    """Write the file. Raises ConfigError where there is one: nobody's work is overwritten."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(_lines(draft, path.name)) + "\n")
    except FileExistsError as err:
        raise ConfigError(f"{path} is there already; move it away, or name another file with --out") from err
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written: {err}") from err


def _lines(draft: Draft, name: str) -> Iterator[str]:
    yield "# The edge agent's configuration. Paths are relative to this file. All keys: docs/reference/edge.md"
    yield f"# Check it with: retroproof edge check-config {name} --connect"
    yield ""
    if draft.device:
        yield f"device: {draft.device}"
    else:
        yield f"device: {MISSING_DEVICE}  # LOOK: the id under which the operator knows this device"
    yield f"signing_key: {enrolment.SIGNING_KEY}"
    if draft.ingest_key:
        yield f'ingest_key: "{draft.ingest_key}"'
    else:
        yield f'ingest_key: "{MISSING_KEY}"  # LOOK: from the operator, or from: retroproof edge enroll'
    yield ""
    yield "uplink:"
    key = "https" if draft.uplink.startswith("http") else "mqtt"
    if draft.uplink:
        yield f"  {key}: {draft.uplink}"
    else:
        yield "  mqtt: mqtts://broker.example:8883  # LOOK: the operator's broker, or https: https://ingest.example"
    if draft.has_certificate:
        yield f"  ca_file: {enrolment.CA}"
        yield f"  cert_file: {enrolment.CERTIFICATE}"
        yield f"  key_file: {enrolment.TLS_KEY}"
    yield ""
    yield "sources:"
    yield f"  {draft.source}:"
    yield f"    opcua: {draft.server.opcua}"
    yield f"    security: {draft.server.security}  # None, or such as Basic256Sha256/SignAndEncrypt"
    for key in ("user", *LOGIN_FILES):
        if said := getattr(draft.server, key):
            yield f"    {key}: {json.dumps(said, ensure_ascii=False)}"
    yield "    sampling_ms: 1000  # how often the server looks at its values; what it grants: check-config --connect"
    yield "    points:"
    for pick in draft.picks:
        yield from _point(pick)


def _point(pick: Pick) -> Iterator[str]:
    variable = pick.variable
    history = "has a history" if variable.historizing else "no history: what an outage swallows becomes a signed gap"
    value = _comment(variable.value) or "empty"
    yield ""
    yield f"      # {_comment(variable.path)}: {variable.type}, {value} when this was written; {history}"
    yield f"      {pick.name}:"
    yield f"        node: {json.dumps(variable.node, ensure_ascii=False)}"
    if pick.unit:
        yield f"        unit: {json.dumps(pick.unit)}{_guessed(pick, 'unit')}"
    else:
        shown = f", which shows {_comment(variable.unit.shown)!r}" if variable.unit.shown else ""
        yield f'        unit: ""  # LOOK: not told by the server{shown}; write kWh, t, kW, piece, 1, ...'
    yield f"        kind: {pick.kind}{_guessed(pick, 'kind', 'counter, interval_total, gauge or state')}"
    if pick.quantity:
        yield f"        quantity: {pick.quantity}"
    if pick.meter:
        yield f"        meter: {json.dumps(pick.meter, ensure_ascii=False)}"


def _guessed(pick: Pick, key: str, choice: str = "") -> str:
    if key not in pick.guesses:
        return ""
    return "  # guessed" + (f": {choice}" if choice else "")


def _comment(text: str) -> str:
    """A server's text on one line, so that it cannot leave its comment."""
    return printable(" ".join(text.split()))
