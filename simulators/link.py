"""The network between a plant and its clients, as a TCP relay on loopback: slow, cut, or dead without a word.

`Link` passes bytes on and takes orders; `disturb` gives it the same trouble again and again. Runs in the event loop of
whoever opens it. What is on the link when a black hole opens goes on once it is mended, as TCP would send it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from simulators.errors import SimulatorError

PIECE_BYTES = 16 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger
SHORTEST_S, LONGEST_S = 0.01, 86_400
SLOW_S = 0.05  # before each piece of 16 KiB: about 2.6 Mbit/s

Trouble = Literal["cut", "black_hole", "slow"]


@dataclass(frozen=True)
class Disturbance:
    """What befalls a link, every `every_s` seconds for `for_s` seconds."""

    kind: Trouble
    every_s: float
    for_s: float

    def __post_init__(self) -> None:
        """Refuse a trouble that never comes or has no length."""
        if not (SHORTEST_S <= self.every_s <= LONGEST_S and SHORTEST_S <= self.for_s <= LONGEST_S):
            raise SimulatorError(
                f"a link that is disturbed every {self.every_s:g} s for {self.for_s:g} s: both must be {SHORTEST_S} to "
                f"{LONGEST_S} s"
            )


class Link:
    """Passes on to a port of this machine; `to_delay_s` and `back_delay_s` are a pause before each piece of 16 KiB."""

    def __init__(self, to_port: int, *, port: int = 0) -> None:
        """Prepare a link to `to_port` that listens on `port` (0: any free one)."""
        self.port = port
        self.to_delay_s = 0.0
        self.back_delay_s = 0.0
        self._to_port = to_port
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._passing: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        try:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        except OSError as err:
            raise SimulatorError(
                f"the link cannot listen on port {self.port}: {err}; choose another --opcua-port"
            ) from err
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening and reset what is connected."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def cut(self, *, refuse: bool = False) -> None:
        """Reset every connection now; with `refuse` also every new one, until it is mended."""
        self._refusing = refuse
        for task in self._passing:
            task.cancel()

    def black_hole(self) -> None:
        """Let nothing through and say nothing, until it is mended."""
        self._open.clear()

    def mend(self) -> None:
        """End refusals, black holes and slowness."""
        self._refusing = False
        self.to_delay_s = self.back_delay_s = 0.0
        self._open.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._passing.add(task)
        writers = [writer]
        try:
            if not self._refusing:
                await self._open.wait()
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
                writers.append(there_writer)
                back = asyncio.create_task(self._pass(there_reader, writer, back=True))
                await self._pass(reader, there_writer, back=False)
                back.cancel()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for one in writers:
                _reset(one)
            self._passing.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                await asyncio.sleep(self.back_delay_s if back else self.to_delay_s)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


async def disturb(link: Link, disturbance: Disturbance) -> None:
    """Give `link` its trouble until this task is cancelled."""
    while True:
        await asyncio.sleep(disturbance.every_s)
        if disturbance.kind == "cut":
            link.cut(refuse=True)
        elif disturbance.kind == "black_hole":
            link.black_hole()
        else:
            link.to_delay_s = link.back_delay_s = SLOW_S
        await asyncio.sleep(disturbance.for_s)
        link.mend()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
