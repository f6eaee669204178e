"""What a server keeps between runs beside its data: its port and its passwords, in one file that only we can read."""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import DeployError

HOST = "127.0.0.1"
# Below the range from which the kernel takes the near end of outgoing connections (32768 and up on Linux): otherwise a
# client could sit on the port of a server that is down for a moment.
LOWEST_PORT, HIGHEST_PORT = 15000, 32000
PORT_TRIES = 200


@dataclass
class State:
    """A server's port (0: none yet) and the passwords of its users."""

    path: Path
    port: int = 0
    passwords: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """What the last run left, or an empty state."""
        if not path.exists():
            return cls(path)
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, data["port"], data["passwords"])

    def save(self) -> None:
        """Write the state, so that a crash leaves the old one or the new one."""
        write_private(self.path, json.dumps({"port": self.port, "passwords": self.passwords}, indent=1))

    def password(self, user: str) -> str:
        """The password of `user`, made and saved on first use."""
        if user not in self.passwords:
            self.passwords[user] = secrets.token_urlsafe(24)
            self.save()
        return self.passwords[user]

    def claim_port(self) -> int:
        """The port of the last run if it is free, else a new one; saved."""
        if not (self.port and port_is_free(self.port)):
            self.port = free_port()
            self.save()
        return self.port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: a connection of the last run that lingers in TIME_WAIT does not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free loopback port, picked at random so that two stacks starting at once seldom meet."""
    for _ in range(PORT_TRIES):
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)  # noqa: S311 - a port number is no secret
        if port_is_free(port):
            return port
    raise DeployError(f"No free loopback port between {LOWEST_PORT} and {HIGHEST_PORT}. See: ss -ltn")


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text`, readable by its owner only from the first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
