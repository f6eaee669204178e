"""The uplink's transport over HTTPS: a batch is posted, and the response, after ingest's commit, acknowledges it.

Requests go one after another over one kept connection, so that batches arrive in their order. When ingest asks to wait
(503 or 429 with Retry-After) the same request is made again after that time; a refusal that a repetition cannot mend
(4xx) is handed on with what the server says.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx

from edge_agent import tls
from edge_agent.config.uplink import Way
from edge_agent.mqtt_link import LinkError
from edge_agent.spool_model import SealedBatch
from edge_agent.uplink.channel import Answer, BatchKey, Event, Held, NotDelivered
from verification import batch, sync
from verification.ack import MAX_ACK_BYTES
from verification.errors import FormatError

BATCHES, SYNC = "ingest/v1/batches", "ingest/v1/sync"
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0  # a commit may have to wait for the database
LEAST_RETRY_S, MOST_RETRY_S = 1.0, 60.0
DEFAULT_RETRY_S = 5.0
ASK_TO_WAIT = (429, 502, 503, 504)
MAX_REASON_CHARS = 300

SignQuestion = Callable[[Sequence[int]], bytes]


@dataclass(frozen=True, slots=True)
class _Request:
    path: str
    body: bytes
    content_type: str
    key: BatchKey | None
    most_bytes: int


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    body: bytes
    retry_s: float


class HttpsChannel:
    """See `channel.Channel`."""

    def __init__(self, client: httpx.AsyncClient, sign_question: SignQuestion, ca_file: str) -> None:
        self._client = client
        self._ca_file = ca_file
        self._sign_question = sign_question
        self._requests: asyncio.Queue[_Request] = asyncio.Queue()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._lost = ""

    async def ask(self, epochs: Sequence[int]) -> None:
        """One signed question for so many epochs as one may ask for."""
        for start in range(0, len(epochs), sync.MAX_EPOCHS):
            # Reading the key and signing take a moment of the disk's and the processor's time.
            question = await asyncio.to_thread(self._sign_question, epochs[start : start + sync.MAX_EPOCHS])
            request = _Request(SYNC, question, sync.CONTENT_TYPE, None, sync.MAX_ANSWER_BYTES)
            self._requests.put_nowait(request)

    def send(self, item: SealedBatch) -> None:
        """Post it after those before it."""
        key = (item.epoch, item.sequence)
        self._requests.put_nowait(_Request(BATCHES, item.data, batch.CONTENT_TYPE, key, MAX_ACK_BYTES))

    async def next_event(self, timeout_s: float) -> Event | None:
        """An acknowledgement, or why there is none."""
        event = None
        if not self._lost or not self._events.empty():
            with suppress(TimeoutError):
                event = await asyncio.wait_for(self._events.get(), timeout_s)
        if event is None and self._lost:
            raise LinkError(self._lost)
        return event

    def nudge(self) -> None:
        """Let a waiting `next_event` return now."""
        if self._events.empty():
            self._events.put_nowait(None)

    async def work(self) -> None:
        """Make the requests, one after another, until the connection fails."""
        try:
            while True:
                await self._make(await self._requests.get())
        except httpx.HTTPError as err:
            problem = tls.explained(err, ca_file=self._ca_file, option="ca_file") or str(err) or type(err).__name__
            self._lost = f"cannot reach {self._client.base_url}: {problem}"
        finally:
            self._lost = self._lost or "the sender has ended"
            self.nudge()

    async def _make(self, request: _Request) -> None:
        while (response := await self._post(request)).status in ASK_TO_WAIT:
            self._events.put_nowait(Held(f"ingest asks to wait {response.retry_s:.0f} s: {_problem(response)}"))
            await asyncio.sleep(response.retry_s)
        if response.status != httpx.codes.OK:
            self._events.put_nowait(NotDelivered(request.key, _problem(response)))
        elif request.path == BATCHES:
            self._events.put_nowait(Answer(response.body))
        else:
            try:
                answers = sync.open_answer(response.body)
            except FormatError as err:
                self._events.put_nowait(NotDelivered(None, f"the answer cannot be read: {err}"))
                return
            for answer in answers:
                self._events.put_nowait(Answer(answer))

    async def _post(self, request: _Request) -> _Response:
        headers = {"content-type": request.content_type}
        async with self._client.stream("POST", request.path, content=request.body, headers=headers) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > request.most_bytes:
                    raise httpx.HTTPError(f"the answer exceeds {request.most_bytes} bytes; is this address ingest's?")
            return _Response(response.status_code, bytes(body), _retry_s(response.headers.get("retry-after", "")))


@asynccontextmanager
async def https_channel(way: Way, sign_question: SignQuestion) -> AsyncIterator[HttpsChannel]:
    """An open channel, closed on leaving; its first request shows whether anybody is there."""
    base_url = way.https.rstrip("/") + "/"
    timeout = httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with httpx.AsyncClient(
        base_url=base_url, verify=await asyncio.to_thread(tls_context, way), timeout=timeout
    ) as client:
        channel = HttpsChannel(client, sign_question, way.ca_file)
        worker = asyncio.create_task(channel.work())
        try:
            yield channel
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker


def tls_context(way: Way) -> ssl.SSLContext:
    """Server certificates are always checked; with a certificate of our own the server can check us too."""
    try:
        context = ssl.create_default_context(cafile=way.ca_file or None)
        if way.cert_file:
            context.load_cert_chain(way.cert_file, way.key_file)
    except OSError as err:  # ssl.SSLError is one
        raise LinkError(f"the certificates cannot be used: {err}") from err
    return context


def _retry_s(text: str) -> float:
    seconds = float(text) if text.isdecimal() else DEFAULT_RETRY_S
    return min(max(seconds, LEAST_RETRY_S), MOST_RETRY_S)


def _problem(response: _Response) -> str:
    """What the server says is wrong: its problem document, or the first of its bytes."""
    with suppress(ValueError):
        match json.loads(response.body):
            case {"code": str(code), "detail": str(detail), **rest}:
                return f"HTTP {response.status} {code}: {detail} {rest.get('next', '')}".strip()[:MAX_REASON_CHARS]
    return f"HTTP {response.status} {response.body[:MAX_REASON_CHARS]!r}"
