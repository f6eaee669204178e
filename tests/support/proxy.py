"""A TCP proxy on loopback with the faults of a network: slow, cut, refusing, or swallowing all without a word."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PIECE_BYTES = 16 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger


class Proxy:
    """Passes on to a port of this machine, with a pause of `delay_s` before each piece of 16 KiB towards it.

    What is in the proxy when a black hole opens goes on once it is mended, as TCP would send it again.
    """

    def __init__(self, to_port: int) -> None:
        self.delay_s = 0.0
        self.port = 0
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._passing: set[asyncio.Task[None]] = set()

    def cut(self, *, refuse: bool = False) -> None:
        """Reset every connection now; with `refuse` also every new one, until it is mended."""
        self._refusing = refuse
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._passing])

    def black_hole(self) -> None:
        """Let nothing through and say nothing, until it is mended."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """End refusals and black holes."""
        self._refusing = False
        self._loop.call_soon_threadsafe(self._open.set)

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._run)
        thread.start()
        self._ready.wait()
        yield self
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    def _run(self) -> None:
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
        writers = [writer]
        try:
            if not self._refusing:
                await self._open.wait()
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
                writers.append(there_writer)
                back = asyncio.create_task(self._pass(there_reader, writer, slowed=False))
                await self._pass(reader, there_writer, slowed=True)
                back.cancel()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for one in writers:
                _reset(one)
            self._passing.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slowed: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if slowed:
                    await asyncio.sleep(self.delay_s)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
