"""The whole product on one machine, in one folder: servers, ingest, API, and beside them a simulated plant with agent.

Every part is a process of its own, started through the `retroproof` command as an operator would. The folder carries
all state: a stack that is started again goes on where it stopped. Makes keys, passwords and configuration on first use.
"""

from __future__ import annotations

import json
import os
import string
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from deploy.local.errors import DeployError
from deploy.local.mosquitto import MosquittoBroker
from deploy.local.postgres import PostgresServer
from deploy.local.process import Child, Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import Servers
from deploy.local.state import HOST, State, write_private
from deploy.platform_client import PlatformClient

DATABASE = "retroproof"
DEVICE = "hengkang-potline-1"
ENTERPRISE = "hengkang"
SCENARIO = "hengkang"
READY_DEADLINE_S = 60.0
ROLES = {"enterprise": ENTERPRISE, "expert": "expert-1", "auditor": "auditor-1"}
RETROPROOF = (sys.executable, "-m", "retroproof")


class Stack:
    """One stack in `folder`. Start the platform first, then the plant, then the agent.

    `plant` are the options that say which plant is simulated, as `retroproof simulate` takes them.
    """

    def __init__(
        self, folder: Path, servers: Servers, supervisor: Supervisor, progress: Progress, plant: Sequence[str] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.plant = tuple(plant)
        self.supervisor = supervisor
        self.postgres = PostgresServer(servers, folder / "postgres", progress=progress)
        self.uplink = MosquittoBroker(servers, folder / "uplink-broker", "uplink", progress=progress)
        self.plant_broker = MosquittoBroker(servers, folder / "plant-broker", "plant", progress=progress)
        self._api_state = State.load(folder / "api-state.json")
        self._opcua_state = State.load(folder / "opcua-state.json")
        self.children: dict[str, Child] = {}

    @property
    def ledger(self) -> Path:
        """The simulator's own record of everything that the plant produced."""
        return self.folder / "plant-ledger.csv"

    @property
    def url(self) -> str:
        """Where the API and the web pages answer."""
        return f"http://{HOST}:{self._api_state.port}"

    @property
    def trust_file(self) -> Path:
        """The platform's public keys, for an auditor to pin."""
        return self.folder / "trusted-keys.txt"

    def start_servers(self) -> None:
        """Database and both brokers."""
        self.postgres.start(self.supervisor)
        self.uplink.start(self.supervisor)
        self.plant_broker.start(self.supervisor)
        if not self.postgres.has_database(DATABASE):
            self.postgres.create_database(DATABASE)

    def start_platform(self) -> None:
        """Tables, keys, the enrolled device, access tokens; then ingest and the API."""
        self.command("db", "migrate")
        self.command("api", "migrate")
        ingest_key = self._make_key("ingest", "ingest.key")
        edge_key = self._make_key("edge", "edge.key")
        for name in ("log.key", "engine.key"):
            self._make_key("api", name)
        self.command("ingest", "enroll", "--device", DEVICE, "--key", edge_key, "--enterprise", ENTERPRISE)
        self._write_configuration(ingest_key)
        self._make_tokens()
        self.start_ingest()
        self.start_api()

    def start_ingest(self) -> None:
        """The ingest worker; returns when it listens to the broker."""
        child = self._start("ingest", "ingest", "serve", "--config", self.folder / "ingest.yaml")
        mark = child.log.stat().st_size
        child.wait_ready(lambda: "ready" in _written_since(child.log, mark), deadline_s=READY_DEADLINE_S)

    def start_api(self) -> None:
        """The API and the web pages; returns when they answer."""
        child = self._start("api", "api", "serve", "--config", self.folder / "api.yaml")
        child.wait_ready(PlatformClient(self.url).answers, deadline_s=READY_DEADLINE_S)

    def start_plant(self, until: str, *more: str) -> dict[str, object]:
        """The simulated plant, whose present is `until`; returns what it says of itself once it serves."""
        port = self._opcua_state.port
        gate = f"mqtt://gate:{self.plant_broker.password('gate')}@{HOST}:{self.plant_broker.port}"
        log = self.folder / "logs" / "plant.log"
        mark = log.stat().st_size if log.exists() else 0
        options = ["--until", until, "--opcua-port", str(port), "--ledger", str(self.ledger), *more]
        child = self._start(
            "plant",
            "simulate",
            "run",
            SCENARIO,
            *self.plant,
            *options,
            env={"RETROPROOF_SIMULATE_MQTT": gate},
        )
        child.wait_ready(lambda: '"ready": true' in _written_since(log, mark), deadline_s=READY_DEADLINE_S)
        said = next(line for line in _written_since(log, mark).splitlines() if '"ready": true' in line)
        ready: dict[str, object] = json.loads(said)
        # Without a first day the simulator counts back from today; from now on the day is this plant's own.
        if "--first-day" not in self.plant:
            self.plant += ("--first-day", str(ready["baseline_start"])[:10])
        return ready

    def start_agent(self) -> None:
        """The edge agent; it connects to everything by itself, so there is nothing to wait for."""
        self._start("agent", "edge", "run", "--config", self.folder / "edge.yaml")

    def stop(self, name: str) -> None:
        """Orderly stop of one of our own processes."""
        child = self.children.pop(name)
        child.stop()
        self.supervisor.forget(child)

    def kill(self, name: str) -> None:
        """kill -9 of one of our own processes."""
        child = self.children.pop(name)
        child.kill()
        self.supervisor.forget(child)

    def client(self, role: str) -> PlatformClient:
        """The HTTP API as a person in this role uses it."""
        return PlatformClient(self.url, self.token(role))

    def token(self, role: str) -> str:
        """The access token of this role."""
        return self._api_state.passwords[role]

    def command(self, *arguments: str | Path) -> str:
        """Run `retroproof` with these arguments; returns what it prints. Raises DeployError with what it says."""
        done = subprocess.run(
            [*RETROPROOF, *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            shown = " ".join(str(argument) for argument in arguments)
            raise DeployError(f"retroproof {shown} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def popen(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start `retroproof` with these arguments, its output as a pipe to read."""
        return subprocess.Popen([*RETROPROOF, *arguments], env=self._environment(), stdout=subprocess.PIPE, text=True)

    def _environment(self) -> dict[str, str]:
        """The database's address goes by the environment: on a command line every user of the machine could read it."""
        return {**os.environ, "RETROPROOF_DB": self.postgres.url(DATABASE)}

    def _start(self, name: str, *arguments: str | Path, env: dict[str, str] | None = None) -> Child:
        child = self.supervisor.start(
            name,
            [*RETROPROOF, *arguments],
            log=self.folder / "logs" / f"{name}.log",
            env={"PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self.children[name] = child
        return child

    def _make_key(self, room: str, name: str) -> str:
        """Make a signing key unless it is there, and return its public half."""
        path = self.folder / name
        public = path.with_suffix(".pub")
        if not path.exists():
            public.write_text(_public_key(self.command(room, "keygen", "--out", path)), encoding="utf-8")
        return public.read_text(encoding="utf-8")

    def _make_tokens(self) -> None:
        for role, subject in ROLES.items():
            if role not in self._api_state.passwords:
                scope = ["--enterprise", ENTERPRISE] if role == "enterprise" else []
                said = self.command("api", "token", "add", "--role", role, "--subject", subject, *scope)
                self._api_state.passwords[role] = said.split()[-1]
                self._api_state.save()

    def _write_configuration(self, ingest_key: str) -> None:
        """Fill in each room's YAML file anew, since ports may have changed; some hold passwords, so all are private."""
        filled = {
            "device": DEVICE,
            "host": HOST,
            "db": self.postgres.url(DATABASE),
            "ingest_key": ingest_key,
            "uplink_port": self.uplink.port,
            "plant_port": self.plant_broker.port,
            "opcua_port": self._opcua_state.claim_port(),
            "api_port": self._api_state.claim_port(),
        }
        for name in ("edge.yaml", "ingest.yaml", "api.yaml"):
            template = string.Template((resources.files("deploy.config") / name).read_text(encoding="utf-8"))
            write_private(self.folder / name, template.substitute(filled))
        write_private(self.folder / "uplink.password", self.uplink.add_device(DEVICE))
        write_private(self.folder / "gate.password", self.plant_broker.password("edge"))
        write_private(self.folder / "ingest.password", self.uplink.password("ingest"))


def _public_key(said: str) -> str:
    """The `ed25519:...` word in what `keygen` prints."""
    return next(word for word in said.split() if word.startswith("ed25519:"))


def _written_since(log: Path, mark: int) -> str:
    """What a log has gained since it was `mark` bytes long."""
    with log.open("rb") as file:
        file.seek(mark)
        return file.read().decode(errors="replace")
