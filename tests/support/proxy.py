"""A TCP proxy on loopback that can be slow and can cut connections: a bad network, or an overloaded server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PIECE_BYTES = 16 * 1024


class Proxy:
    """Passes on to a port of this machine, with a pause of `delay_s` before each piece of 16 KiB towards it."""

    def __init__(self, to_port: int) -> None:
        self.delay_s = 0.0
        self.port = 0
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()

    def cut(self) -> None:
        """End every connection now."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._passing])

    def run(self) -> None:
        self._passing: set[asyncio.Task[None]] = set()
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._passing.add(task)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            with contextlib.closing(there_writer):
                back = asyncio.create_task(self._pass(there_reader, writer, slowed=False))
                await self._pass(reader, there_writer, slowed=True)
                back.cancel()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._passing.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slowed: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if slowed:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self.run)
        thread.start()
        self._ready.wait()
        yield self
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
