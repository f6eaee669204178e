"""Child processes that never outlive us: started, watched until ready, stopped in order.

A child gets its own process group, so that Ctrl-C reaches only us and we stop the children in order; and a
parent-death signal, so that the kernel stops them even when we die by kill -9. The kernel ties that signal to the
thread that started the child: start children from a thread that lives as long as they should. Linux only.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from deploy.local.account import Account
from deploy.local.errors import DeployError

LOG_TAIL_LINES = 15
LOG_MAX_BYTES = 16 << 20  # a larger log is set aside at the next start, so that two of this size are the most we keep
POLL_S = 0.05
STOP_DEADLINE_S = 20.0


class Child:
    """A running program, its log and the signal that asks it to stop."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path, stop_signal: signal.Signals) -> None:
        self.name = name
        self.log = log
        self._popen = popen
        self._stop_signal = stop_signal

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal); None while it runs.

        Only looks: one that has ended keeps its process id until `kill`. Once collected, the id goes to a process of
        someone else's, and the signal that is meant for what a child left in its group would end that one.
        """
        if self._popen.returncode is not None:
            return self._popen.returncode
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait_ready(self, condition: Callable[[], bool], *, deadline_s: float) -> None:
        """Return once `condition` holds. Raises DeployError with the end of the log if the child dies or is late."""
        late = time.monotonic() + deadline_s
        while self.exit_code is not None or not condition():
            if self.exit_code is not None:
                raise DeployError(self.last_words())
            if time.monotonic() > late:
                raise DeployError(f"{self.name} is not ready after {deadline_s:.0f} s.{self.log_tail()}")
            time.sleep(POLL_S)

    def last_words(self) -> str:
        """How a child that has ended did so, and the end of its log."""
        return f"{self.name} ended with code {self.exit_code}.{self.log_tail()}"

    def log_tail(self) -> str:
        """The last lines of the log, with its path, ready to end an error message."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f" The end of {self.log}:", *(f"  {line}" for line in lines)])

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._popen.returncode is None:
            os.kill(self.pid, number)

    def stop(self, *, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Ask it to stop; after the deadline, kill it. Whatever it left in its process group dies too."""
        self.send(self._stop_signal)
        late = time.monotonic() + deadline_s
        while self.exit_code is None and time.monotonic() < late:
            time.sleep(POLL_S)
        self.kill()

    def kill(self) -> None:
        """kill -9 of the program and its process group; returns when it is gone."""
        if self._popen.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()


class Supervisor:
    """A context that starts children and, on leaving, stops those still running in reverse order."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Child:
        """Start `command` with its output in `log`; `env` adds to our environment, `account` is whom it runs as."""
        with _open_log(log) as stream:
            popen = subprocess.Popen(
                dying_with_us(command, stop_signal),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                process_group=0,
                **(account.drop() if account else {}),
            )
        child = Child(name, popen, log, stop_signal)
        self._children.append(child)
        return child

    def ended(self) -> list[Child]:
        """The children that have ended on their own since they were started."""
        return [child for child in self._children if child.exit_code is not None]

    def forget(self, child: Child) -> None:
        """Stop watching a child that its owner has stopped."""
        if child in self._children:
            self._children.remove(child)

    def stop_all(self) -> None:
        """Stop every child, the last started first."""
        while self._children:
            self._children.pop().stop()


def dying_with_us(command: Sequence[str | Path], number: signal.Signals) -> list[str | Path]:
    """`command`, changed so that the kernel sends it `number` when the thread that starts it ends."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DeployError("setpriv is missing; it belongs to util-linux. Install it: apt-get install util-linux")
    # setpriv sets the death signal in the child and becomes the program. Doing it in Python between fork and exec
    # (preexec_fn) can deadlock once threads run.
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), "--", *command]


def _open_log(log: Path) -> BinaryIO:
    """The log, opened to append; one that has grown too large is set aside first."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("ab")
