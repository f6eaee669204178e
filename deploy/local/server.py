"""What a private PostgreSQL and a private Mosquitto share: a folder, an account, a port, a start and a stop."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from deploy.local.account import private_folder, service_account
from deploy.local.errors import DeployError
from deploy.local.lingering import wait_until_unused
from deploy.local.process import Child, Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import Servers
from deploy.local.state import State, port_is_free

START_TRIES = 3  # another program may take the port between our look and the server's
LINGERING_DEADLINE_S = 20.0


class Server(ABC):
    """A server with everything it owns in one folder. `start` it under a supervisor, which stops it at the latest."""

    name: str
    ready_deadline_s: float
    stop_deadline_s: float

    def __init__(self, servers: Servers, folder: Path, progress: Progress | None = None) -> None:
        self._servers = servers
        self._account = service_account(folder)
        self.folder = private_folder(folder, self._account, progress or Progress())
        self._data = self.folder / "data"  # also the server's working folder, by which a lingering one is found
        self._state = State.load(self.folder / "state.json")
        self._supervisor: Supervisor | None = None
        self._child: Child | None = None

    @property
    def port(self) -> int:
        """The loopback port of the last start; the same at the next start if it is free then."""
        return self._state.port

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def start(self, supervisor: Supervisor) -> None:
        """Start and return once it takes connections. Raises DeployError with the end of the log if it does not."""
        wait_until_unused(self._data, self.name, deadline_s=LINGERING_DEADLINE_S)
        for attempt in range(1, START_TRIES + 1):
            port = self._state.claim_port()
            self._prepare()
            child = self._launch(supervisor)
            try:
                child.wait_ready(self._answers, deadline_s=self.ready_deadline_s)
            except DeployError:
                child.kill()
                supervisor.forget(child)
                if attempt == START_TRIES or port_is_free(port):
                    raise
            else:
                self._supervisor, self._child = supervisor, child
                return

    def stop(self) -> None:
        """Orderly stop: what it holds is on disk when this returns."""
        self._running().stop(deadline_s=self.stop_deadline_s)
        self._forget()

    def kill(self) -> None:
        """kill -9, as a power cut would end it; `start` recovers what is on disk."""
        self._running().kill()
        self._forget()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data and the configuration, for the port that the state now names."""

    @abstractmethod
    def _launch(self, supervisor: Supervisor) -> Child:
        """Start the program."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it takes connections."""

    def _environment(self) -> dict[str, str]:
        """The environment for the server's tools: ours without the PG* variables, which would divert them."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return {**kept, **self._servers.env}

    def _own(self, path: Path, mode: int) -> None:
        """Give a file or folder to the account that the server runs as."""
        os.chown(path, self._account.uid, self._account.gid)
        path.chmod(mode)

    def _running(self) -> Child:
        if self._child is None or self._child.exit_code is not None:
            raise DeployError(f"{self.name} in {self.folder} is not running; start it first")
        return self._child

    def _forget(self) -> None:
        if self._supervisor and self._child:
            self._supervisor.forget(self._child)
        self._child = None
