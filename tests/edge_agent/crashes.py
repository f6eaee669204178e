"""The agent, ended as by kill -9 at an exact step: `python -m tests.edge_agent.crashes PLAN edge run --config ...`.

A step is a call by which the spool learns something of a session with a server. The plan, in JSON, says which:
`{"when": "before" or "after", "call": 3}`, counted from 1; with `"method": "append"` only calls of that method count,
with `"gaps": true` only those that bring gaps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import retroproof
from edge_agent.spool import Spool

STEPS = ("append", "keep_session", "forget_session")


class Death:
    """Counts the steps, and ends the process at the planned one."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._calls = 0

    def around(self, name: str) -> Callable[..., object]:
        """The method of the spool with its planned death."""
        method = getattr(Spool, name)

        def call(spool: Spool, *args: object, **kwargs: object) -> object:
            dies = self._is_the_one(name, kwargs)
            if dies and self._plan["when"] == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            done = method(spool, *args, **kwargs)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return call

    def _is_the_one(self, name: str, kwargs: dict[str, object]) -> bool:
        if name != self._plan.get("method", name) or (name == "append" and not kwargs.get("taken")):
            return False
        if self._plan.get("gaps") and not kwargs.get("gaps"):
            return False
        self._calls += 1
        return self._calls == self._plan["call"]


def main() -> None:
    death = Death(json.loads(sys.argv.pop(1)))
    for name in STEPS:
        setattr(Spool, name, death.around(name))
    retroproof.main()


if __name__ == "__main__":
    main()
