"""Sets an edge agent up as docs/how-to/edge.md tells it, against the simulated plant and a real ingest, and records it.

`python -m tests.integration.edge_setup` writes what the commands print into the page, so that nobody copies it by hand.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.pki.authority import Authority
from ingest.config import IngestConfig, Listen
from ingest.database import connect
from ingest.migrate import migrate
from tests.ingest.test_tls import INGEST_KEY, running
from tests.support.chosen import chosen_servers

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "edge.md"
DEVICE = "potline-1"
SHOWN_FOLDER = "/var/lib/retroproof-edge"  # stands in the page for the folder of this run
HANDED_OVER = "platform.pem"
DEADLINE_S = 60


class Box:
    """An edge box: a folder, and commands that are run in it and recorded."""

    def __init__(self, folder: Path, db: str) -> None:
        self.folder = folder
        self._environment = os.environ | {"RETROPROOF_DB": db, "PYTHONPATH": str(PAGE.parents[2])}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on while others run."""
        return subprocess.Popen(
            [sys.executable, "-m", "retroproof", *words],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> str:
        """A command and what it prints, as on a terminal."""
        process = self.start(*words)
        out, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, out + err
        return shown(words, out.replace(str(self.folder), SHOWN_FOLDER))


def shown(words: tuple[str, ...], out: str) -> str:
    """As a terminal shows it; a token is a secret, also one that was used."""
    typed = " ".join(f'"{word}"' if " " in word else word for word in words)
    return re.sub(rf"({DEVICE}\.)[\w-]{{20,}}", r"\1...", f"$ retroproof {typed}\n{out.rstrip()}\n")


@contextmanager
def plant(folder: Path) -> Iterator[str]:
    """The simulated potline; the address of its OPC UA server."""
    words = [
        "simulate",
        "run",
        "hengkang",
        "--until",
        "now",
        "--opcua-port",
        "0",
        "--ledger",
        str(folder / "plant.csv"),
    ]
    span = ["--baseline-days", "2", "--works-days", "1", "--reporting-days", "1"]
    command = [sys.executable, "-m", "retroproof", *words, *span]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["opcua"]
        finally:  # else a failure would wait for the plant, which never ends
            process.terminate()


@contextmanager
def platform(db: str, pki: Path) -> Iterator[str]:
    """Ingest over HTTPS, with a certificate of the authority in `pki`, which it makes; its address."""
    Authority.create(pki, "Platform").server("ingest", ["127.0.0.1"])
    where = Listen("127.0.0.1", 0, pki / "ingest.pem", pki / "ingest.key")
    with connect(db) as conn:
        migrate(conn)
    with running(IngestConfig(db, INGEST_KEY, http=where)) as (address,):
        yield address


def story(db: str, opcua: str, folder: Path) -> dict[str, str]:
    """From nothing to a running agent: what each step printed, by the name it has in the page."""
    box, operator = Box(folder / "box", db), Box(folder / "operator", db)
    box.folder.mkdir()
    operator.folder.mkdir()
    with platform(db, operator.folder / "pki") as ingest:
        # What the operator hands over with the token.
        shutil.copy(operator.folder / "pki" / "ca.pem", box.folder / HANDED_OVER)
        return _story(db, ingest, opcua, box, operator)


def _story(db: str, ingest: str, opcua: str, box: Box, operator: Box) -> dict[str, str]:
    said = {"token": operator.run("ingest", "enrolment", "token", "--device", DEVICE, "--enterprise", "hengkang")}
    # The recorded token is masked, so a second one is used; the first stays unused.
    token = operator.start("ingest", "enrolment", "token", "--device", DEVICE, "--enterprise", "hengkang")
    secret = token.communicate(timeout=DEADLINE_S)[0].splitlines()[0]
    words = ("edge", "enroll", ingest, "--token", secret, "--ca-file", HANDED_OVER)
    enrolling = box.start(*words)
    until(lambda: DEVICE in operator.run("ingest", "enrolment", "list"))
    said["approve"] = "".join(
        [
            operator.run("ingest", "enrolment", "list"),
            operator.run("ingest", "enrolment", "csr", "2", "--out", "device.csr"),
            operator.run("pki", "sign", DEVICE, "device.csr"),
            operator.run(
                "ingest", "enrolment", "approve", "2", "--certificate", f"pki/{DEVICE}.pem", "--ca", "pki/ca.pem"
            ),
        ]
    )
    said["enroll"] = shown(words, enrolling.communicate(timeout=DEADLINE_S)[0])
    said["browse"] = box.run("edge", "browse", opcua, "--search", "potline1")
    said["init"] = box.run(
        "edge", "init", opcua, "--search", "potline1", "--all", "--source", "potline", "--uplink", ingest
    )
    written = (box.folder / "edge.yaml").read_text(encoding="utf-8").splitlines()[:30]
    said["file"] = "\n".join(["$ head -n 30 edge.yaml", *written, ""])
    said["check-config"] = box.run("edge", "check-config", "edge.yaml", "--connect")
    said["dry-run"] = box.run("edge", "dry-run", "--config", "edge.yaml", "--seconds", "5", "--rows", "4")
    agent = box.start("edge", "run", "--config", "edge.yaml")
    try:
        until(lambda: all_is_well(box))
        said["status"] = box.run("edge", "status", "--config", "edge.yaml")
        said["rotate-key"] = box.run("edge", "rotate-key", "--config", "edge.yaml")
        until(lambda: keys_known(db) == 2)
        until(lambda: all_is_well(box))
    finally:
        agent.terminate()
        agent.communicate(timeout=DEADLINE_S)
    return said


def keys_known(db: str) -> int:
    """How many keys ingest has registered."""
    with connect(db) as conn:
        return conn.execute("SELECT count(*) FROM telemetry.device_key").fetchone()[0]


def all_is_well(box: Box) -> bool:
    """Whether the agent reads every point and ingest has taken all."""
    process = box.start("edge", "status", "--config", "edge.yaml", "--json")
    answer = json.loads(process.communicate(timeout=DEADLINE_S)[0])["status"]
    if answer is None or answer["uplink"]["last_ack_us"] is None:
        return False
    points = [point for source in answer["sources"].values() for point in source["points"].values()]
    return all(point["state"] == "live" and point["rows"] for point in points) and answer["spool"]["batches"] < 3


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "not so before the deadline"
        time.sleep(0.2)


def in_page(page: str, said: dict[str, str]) -> str:
    """The page with every capture replaced by what was said now. KeyError for one that the story does not have."""
    return re.sub(
        r"(<!-- capture: ([\w-]+) -->\n```text\n).*?(```\n)",
        lambda found: found[1] + said[found[2]] + found[3],
        page,
        flags=re.DOTALL,
    )


def captured(page: str) -> dict[str, str]:
    """The captures that the page shows, by their names."""
    return dict(re.findall(r"<!-- capture: ([\w-]+) -->\n```text\n(.*?)```\n", page, flags=re.DOTALL))


def main() -> None:
    """Tell the story once and write it into the page."""
    with tempfile.TemporaryDirectory(prefix="retroproof-", dir="/var/tmp") as name, Supervisor() as supervisor:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgresServer(chosen_servers(), folder / "postgres", fast=True)
        server.start(supervisor)
        with plant(folder) as opcua:
            said = story(server.create_database("captures"), opcua, folder)
    for name, text in said.items():
        sys.stderr.write(f"--- {name}\n{text}")
    PAGE.write_text(in_page(PAGE.read_text(encoding="utf-8"), said), encoding="utf-8")


if __name__ == "__main__":
    main()
