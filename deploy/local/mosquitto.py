"""A private Mosquitto on loopback, in one of two roles: the `uplink` to the platform, or the `plant`'s own broker.

Owns the broker's folder: configuration (the files of deploy/broker), users, stored messages, log, port and passwords.
Nobody gets in without a password or, given certificates, without one of those, and the access list of the role says
who may write and read what.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from importlib import resources
from pathlib import Path
from typing import Literal

from deploy.local.errors import DeployError
from deploy.local.process import Child, Supervisor
from deploy.local.progress import Progress
from deploy.local.server import Server
from deploy.local.servers import Servers
from deploy.local.state import HOST, free_port, port_is_free, write_private

Role = Literal["uplink", "plant"]
# The users that the role's access list names; on the uplink every other user is a device.
USERS: dict[Role, tuple[str, ...]] = {"uplink": ("ingest",), "plant": ("gate", "gateway", "edge")}
# A device's name stands in topics and in access patterns, where / + and # have a meaning.
DEVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CERTIFICATES = ("ca.pem", "crl.pem", "server.pem", "server.key")
PLATFORM_CERTIFICATES = ("platform/ca.pem", "platform/crl.pem")  # on the uplink, where the platform has its own way in
LISTENER = re.compile(r"^listener (\d+)$", re.MULTILINE)
PLATFORM = "8884"  # how the listener's file calls the platform's way in
RELOADED = "Reloading config."  # what the broker logs when it has taken SIGHUP


class MosquittoBroker(Server):
    """One broker in one folder. `start` it under a supervisor; `port` and `password` are what a client needs.

    With `certificates`, a folder that has the files named in CERTIFICATES (on the uplink in PLATFORM_CERTIFICATES too),
    clients come with a certificate instead of a password, and its common name is the user. The platform comes to the
    uplink by `platform_port` then.
    """

    ready_deadline_s = 15.0
    stop_deadline_s = 15.0
    host = HOST

    def __init__(
        self,
        servers: Servers,
        folder: Path,
        role: Role,
        *,
        certificates: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(servers, folder, progress)
        self.name = f"Mosquitto ({role})"
        self._role: Role = role
        self._certificates = certificates
        self._config = self.folder / "config"
        self._log = self.folder / "mosquitto.log"
        self.platform_port = 0
        self._adding = threading.Lock()  # scenarios side by side add their devices to one broker
        for user in USERS[role]:
            self._state.password(user)

    def password(self, user: str) -> str:
        """The password of a user that exists: one of the role's, or a device added before."""
        if user not in self._state.passwords:
            raise DeployError(
                f"The {self._role} broker has no user {user!r}; it has: {', '.join(self._state.passwords)}"
            )
        return self._state.passwords[user]

    def add_device(self, device: str) -> str:
        """Let `device` in on the uplink, at once if the broker runs; returns its password. Again: the same password."""
        if self._role != "uplink":
            raise DeployError("Only the uplink has devices; the plant's broker has the users gate, gateway and edge")
        if not DEVICE_NAME.fullmatch(device) or device in USERS[self._role]:
            raise DeployError(
                f"{device!r} cannot name a device: use 1 to 64 of A-Z a-z 0-9 _ . - and not a reserved name"
            )
        with self._adding:
            known = device in self._state.passwords
            password = self._state.password(device)
            if not known and self._child:
                self._write_passwords()
                self._reload(self._child)
        return password

    def reload(self) -> None:
        """Have the running broker read its users anew; with certificates, also the list of revoked ones."""
        if self._certificates:
            self._copy_certificates(self._certificates)
        self._reload(self._running())

    def _prepare(self) -> None:
        """Lay out the files of this role as deploy/broker describes them, on our port of loopback."""
        for name in ("data", "config", "config/conf.d", "config/certs", "config/certs/platform"):
            (self.folder / name).mkdir(exist_ok=True)
            self._own(self.folder / name, 0o700)
        templates = resources.files("deploy.broker")
        listener = (templates / f"listener-{self._way_in()}.conf").read_text("utf-8")
        if not (self.platform_port and port_is_free(self.platform_port)):
            self.platform_port = free_port()
        self._write("mosquitto.conf", (templates / "mosquitto.conf").read_text("utf-8"))
        self._write("conf.d/listener.conf", LISTENER.sub(self._listener, listener))
        self._write("acl.conf", (templates / f"{self._role}.acl.conf").read_text("utf-8"))
        if self._certificates:
            self._copy_certificates(self._certificates)
        else:
            self._write_passwords()

    def _way_in(self) -> str:
        if not self._certificates:
            return "password"
        return "uplink" if self._role == "uplink" else "mtls"

    def _listener(self, found: re.Match[str]) -> str:
        """The listener's line with our port of loopback for the port of its file."""
        return f"listener {self.platform_port if found[1] == PLATFORM else self.port} {HOST}"

    def _launch(self, supervisor: Supervisor) -> Child:
        """Start the broker on the configuration just written."""
        return supervisor.start(
            self.name,
            [self._servers.mosquitto, "-c", "../config/mosquitto.conf"],
            log=self._log,
            env=self._servers.env,
            account=self._account,
            cwd=self._data,
        )

    def _answers(self) -> bool:
        """Whether the broker takes connections."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1):
                return True
        except OSError:
            return False

    def _write_passwords(self) -> None:
        """Let Mosquitto's own tool hash every password; on files, since a command line can be read by everyone."""
        lines = "".join(f"{user}:{password}\n" for user, password in self._state.passwords.items())
        draft = self._config / "passwords.new"
        write_private(draft, lines)
        command: list[str | Path] = [self._servers.mosquitto_passwd, "-U", draft]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DeployError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
        self._own(draft, 0o600)
        draft.replace(self._config / "passwords")

    def _copy_certificates(self, source: Path) -> None:
        names = (*CERTIFICATES, *PLATFORM_CERTIFICATES) if self._role == "uplink" else CERTIFICATES
        for name in names:
            self._write(f"certs/{name}", (source / name).read_text("ascii"))

    def _write(self, name: str, text: str) -> None:
        write_private(self._config / name, text)
        self._own(self._config / name, 0o600)

    def _reload(self, child: Child) -> None:
        """Have the running broker read the users anew; returns when it has."""
        before = self._reloads()
        child.send(signal.SIGHUP)
        child.wait_ready(lambda: self._reloads() > before, deadline_s=self.ready_deadline_s)

    def _reloads(self) -> int:
        return self._log.read_text(encoding="utf-8", errors="replace").count(RELOADED)
