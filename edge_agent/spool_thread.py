"""Gives the spool a thread of its own, so that the event loop never waits for a disk.

One worker thread means one writer and calls in the order in which they were made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from edge_agent.spool import Spool

P = ParamSpec("P")
T = TypeVar("T")


class SpoolThread:
    """`await spool.call(Spool.append, rows)` runs a method of the spool in its thread."""

    def __init__(self, open_spool: Callable[[], Spool]) -> None:
        # SQLite's connection belongs to the thread that opened it, so the spool is opened in there too.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        try:
            self._spool = self._executor.submit(open_spool).result()
        except BaseException:
            self._executor.shutdown()
            raise

    async def call(self, method: Callable[Concatenate[Spool, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `method`. When the caller is cancelled, the work is still done: a commit is never half-way."""
        work = partial(method, self._spool, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Finish what was asked for, close the file and end the thread."""
        self._executor.submit(self._spool.close).result()
        self._executor.shutdown()
