"""The platform on one machine, in one folder: servers, ingest and API. The lines that it serves are in `line.py`.

Every part is a process of its own, started through the `retroproof` command as an operator would. The folder carries
all state: a stack that is started again goes on where it stopped. Makes keys, passwords and configuration on first use.
"""

from __future__ import annotations

import os
import string
import subprocess
import sys
from importlib import resources
from pathlib import Path

from deploy.local.errors import DeployError
from deploy.local.mosquitto import MosquittoBroker
from deploy.local.postgres import PostgresServer
from deploy.local.process import Child, Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import Servers
from deploy.local.state import HOST, State, write_private
from deploy.parts import Parts
from deploy.platform_client import PlatformClient

DATABASE = "retroproof"
READY_DEADLINE_S = 60.0
ROLES = {"enterprise": "hengkang", "expert": "expert-1", "auditor": "auditor-1"}
RETROPROOF = (sys.executable, "-m", "retroproof")


class Stack(Parts):
    """One platform in `folder`. Start the servers first, then the platform, then the lines."""

    def __init__(self, folder: Path, servers: Servers, supervisor: Supervisor, progress: Progress) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        super().__init__(supervisor)
        self.postgres = PostgresServer(servers, folder / "postgres", progress=progress)
        self.uplink = MosquittoBroker(servers, folder / "uplink-broker", "uplink", progress=progress)
        self.plant_broker = MosquittoBroker(servers, folder / "plant-broker", "plant", progress=progress)
        self._api_state = State.load(folder / "api-state.json")

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
        """Tables, keys, access tokens; then ingest and the API."""
        self.command("db", "migrate")
        self.command("api", "migrate")
        self.make_key("ingest", self.folder / "ingest.key")
        for name in ("log.key", "engine.key"):
            self.make_key("api", self.folder / name)
        self._write_configuration()
        self._make_tokens()
        self.start_ingest()
        self.start_api()

    def start_ingest(self) -> None:
        """The ingest worker; returns when it listens to the broker."""
        child = self.start_child("ingest", "ingest", "serve", "--config", self.folder / "ingest.yaml")
        self.children["ingest"] = child
        mark = child.log.stat().st_size
        child.wait_ready(lambda: "ready" in written_since(child.log, mark), deadline_s=READY_DEADLINE_S)

    def start_api(self) -> None:
        """The API and the web pages; returns when they answer."""
        child = self.start_child("api", "api", "serve", "--config", self.folder / "api.yaml")
        self.children["api"] = child
        child.wait_ready(PlatformClient(self.url).answers, deadline_s=READY_DEADLINE_S)

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

    def log_of(self, name: str) -> Path:
        """The log of the child called `name`."""
        return self.folder / "logs" / f"{name}.log"

    def start_child(self, name: str, *arguments: str | Path, env: dict[str, str] | None = None) -> Child:
        """Start `retroproof` with these arguments as a child called `name`, which ends when we do."""
        return self.supervisor.start(
            name,
            [*RETROPROOF, *arguments],
            log=self.log_of(name),
            env={"PYTHONUNBUFFERED": "1", **(env or {})},
        )

    def make_key(self, room: str, path: Path) -> str:
        """Make a signing key unless it is there, and return its public half."""
        public = path.with_suffix(".pub")
        if not path.exists():
            public.write_text(_public_key(self.command(room, "keygen", "--out", path)), encoding="utf-8")
        return public.read_text(encoding="utf-8")

    def _make_tokens(self) -> None:
        for role, subject in ROLES.items():
            if role not in self._api_state.passwords:
                scope = ["--enterprise", subject] if role == "enterprise" else []
                said = self.command("api", "token", "add", "--role", role, "--subject", subject, *scope)
                self._api_state.passwords[role] = said.split()[-1]
                self._api_state.save()

    def _write_configuration(self) -> None:
        """Fill in each room's YAML file anew, since ports may have changed; some hold passwords, so all are private."""
        filled = {
            "host": HOST,
            "db": self.postgres.url(DATABASE),
            "uplink_port": self.uplink.port,
            "api_port": self._api_state.claim_port(),
        }
        for name in ("ingest.yaml", "api.yaml"):
            template = string.Template((resources.files("deploy.config") / name).read_text(encoding="utf-8"))
            write_private(self.folder / name, template.substitute(filled))
        write_private(self.folder / "ingest.password", self.uplink.password("ingest"))


def _public_key(said: str) -> str:
    """The `ed25519:...` word in what `keygen` prints."""
    return next(word for word in said.split() if word.startswith("ed25519:"))


def written_since(log: Path, mark: int) -> str:
    """What a log has gained since it was `mark` bytes long."""
    with log.open("rb") as file:
        file.seek(mark)
        return file.read().decode(errors="replace")
