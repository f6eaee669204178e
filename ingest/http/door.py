"""Takes what HTTP brings to the worker's thread and its reply back to the event loop; lets in so many at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from fastapi import Request
from starlette.requests import ClientDisconnect

from ingest.health import Health
from ingest.http.problem import BUSY, ProblemError
from ingest.intake import Answer, Intake, Item, Reply
from verification.errors import FormatError

MAX_INSIDE = 128
ANSWER_WAIT_S = 30.0  # a proxy's usual patience is 60 s; what takes longer is sent again, which does no harm


class Door:
    """One for each process; used from its event loop."""

    def __init__(self, intake: Intake, health: Health) -> None:
        self._intake = intake
        self._health = health
        self._inside = 0

    async def read(self, request: Request, max_bytes: int) -> bytes:
        """The body; a longer one is refused while it comes in. Raises ProblemError when there is no room."""
        if not self._health.database:  # a broker that is away is no hindrance here, but why an agent comes this way
            raise ProblemError(BUSY, "not connected to: database")
        self._check_room()
        body = bytearray()
        try:
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise ProblemError("bound_exceeded", f"more than {max_bytes} bytes")
        except ClientDisconnect as gone:  # a line that broke is no fault of ours to log; nobody reads this answer
            raise ProblemError("undecodable", "the body is not whole") from gone
        return bytes(body)

    async def through(self, make: Callable[[Answer], Item]) -> Reply:
        """The worker's reply to what `make` makes, after its commit. Raises ProblemError."""
        loop = asyncio.get_running_loop()
        replied: asyncio.Future[Reply] = loop.create_future()

        def answer(reply: Reply) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(self._resolve, replied, reply)

        self._check_room()
        try:
            item = make(answer)
        except FormatError as err:
            raise ProblemError(err.code, str(err)) from err
        if not self._intake.offer(item):
            raise ProblemError(BUSY, "the queue is full")
        self._inside += 1
        try:
            return await asyncio.wait_for(replied, ANSWER_WAIT_S)
        except TimeoutError as err:
            raise ProblemError(BUSY, f"not committed within {ANSWER_WAIT_S:.0f} s") from err

    def _check_room(self) -> None:
        if self._inside >= MAX_INSIDE:
            raise ProblemError(BUSY, f"{MAX_INSIDE} requests are under way")

    def _resolve(self, future: asyncio.Future[Reply], reply: Reply) -> None:
        """The worker is done with an item, which left the queue, whether or not its sender still waits."""
        self._inside -= 1
        if not future.done():
            future.set_result(reply)
