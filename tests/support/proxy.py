"""The simulators' link in a thread of its own, for tests that have no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulators.link import Link


class Proxy:
    """Passes on to a port of this machine, with a pause of `delay_s` before each piece of 16 KiB towards it."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._link: Link | None = None

    @property
    def delay_s(self) -> float:
        return self._running().to_delay_s

    @delay_s.setter
    def delay_s(self, value: float) -> None:
        self._running().to_delay_s = value

    def cut(self, *, refuse: bool = False) -> None:
        """Reset every connection now; with `refuse` also every new one, until it is mended."""
        self._order(lambda link: link.cut(refuse=refuse))

    def black_hole(self) -> None:
        """Let nothing through and say nothing, until it is mended."""
        self._order(Link.black_hole)

    def mend(self) -> None:
        """End refusals and black holes."""
        self._order(Link.mend)

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._run)
        thread.start()
        self._ready.wait()
        yield self
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    def _order(self, order: Callable[[Link], None]) -> None:
        done = threading.Event()

        def give() -> None:
            order(self._running())
            done.set()

        self._loop.call_soon_threadsafe(give)
        done.wait()

    def _running(self) -> Link:
        assert self._link is not None, "the proxy does not run"
        return self._link

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with Link(self._to_port) as self._link:
            self.port = self._link.port
            self._ready.set()
            await self._stop.wait()
