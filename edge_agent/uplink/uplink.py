"""Takes sealed batches to ingest, and has the spool forget them on ingest's signed word only.

There may be several ways to ingest, in the order of preference. The first that works is used. A way fails when it
cannot be opened, when it breaks, or, where there is another one, when nobody acknowledges anything on it for a while;
then the next is tried. From a later way the agent goes back to the first once that can be reached again. All ways must
lead to the same platform: one ingest key signs all acknowledgements. What is sent twice on that account is stored once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AbstractAsyncContextManager, suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent import clock
from edge_agent.backoff import Backoff
from edge_agent.config.uplink import UplinkConfig, Way
from edge_agent.mqtt_link import LinkError
from edge_agent.spool import Spool
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import UplinkStatus
from edge_agent.uplink.channel import Answer, BatchKey, Channel, Held, NotDelivered
from edge_agent.uplink.https import SignQuestion, https_channel
from edge_agent.uplink.mqtt import mqtt_channel
from edge_agent.uplink.offset import Offset, OffsetMeter
from edge_agent.uplink.window import Window
from verification import ack
from verification.errors import ConfigError, FormatError

SYNC_WAIT_S = 2.0
IDLE_S = 5.0
FRESH_US = 60_000_000
PROBE_S = 3.0
LONGEST_STAY_S = 3_600.0

log = logging.getLogger(__name__)


class Uplink:
    """`run` for as long as the agent lives; `notify` when a batch was sealed."""

    def __init__(
        self,
        device: str,
        config: UplinkConfig,
        trusted: Ed25519PublicKey,
        spool: SpoolThread,
        status: UplinkStatus,
        sign_question: SignQuestion,
    ) -> None:
        self._device = device
        self._config = config
        self._trusted = trusted
        self._spool = spool
        self._status = status
        self._sign_question = sign_question
        self._channel: Channel | None = None
        self._window = Window(config.window)
        self._meter = OffsetMeter()
        self._heard_s: float | None = None  # when ingest last said something on this connection
        self._stay_s = config.return_after_s

    def notify(self) -> None:
        """Something may be there to send."""
        if self._channel is not None:
            self._channel.nudge()

    def clock_offset(self) -> Offset | None:
        """This machine's clock against ingest's, None before the first round trip."""
        return self._meter.best(time.monotonic())

    async def run(self) -> None:
        """Use the first way that works, and the next when it ends; never returns."""
        backoff = Backoff()
        while True:
            for way in self._config.ways:
                if await self._use(way):
                    backoff.reset()
                    break
            await asyncio.sleep(backoff.next_s())

    async def _use(self, way: Way) -> bool:
        """Work over one way until it ends; returns whether ingest was heard on it."""
        self._heard_s = None
        self._status.endpoint = way.address
        try:
            async with self._opened(way) as channel:
                self._channel = channel
                await self._start_session(channel)
                opened_s = time.monotonic()
                while not await self._should_return(way, opened_s):
                    await self._send_more(channel)
                    await self._take_event(channel)
                    self._check_silence(opened_s)
                log.info("going back to the first way: endpoint=%s", self._config.address)
        except (LinkError, ConfigError) as err:
            log.warning("the uplink is down: endpoint=%s reason=%r", way.address, str(err))
            self._status.state, self._status.message = "disconnected", str(err)
        finally:
            self._channel = None
        return self._heard_s is not None

    def _opened(self, way: Way) -> AbstractAsyncContextManager[Channel]:
        if way.https:
            return https_channel(way, self._sign_question)
        return mqtt_channel(way.broker, self._device)

    async def _start_session(self, channel: Channel) -> None:
        """Begin anew: what was under way on an old connection may have arrived, so ask before sending it again."""
        self._window = Window(self._config.window)
        self._status.in_flight = 0
        await channel.ask(await self._spool.call(Spool.epochs))
        log.info("the uplink is connected: endpoint=%s", self._status.endpoint)
        self._status.state, self._status.message = "connected", ""
        self._status.connects += 1
        answered_by_s = time.monotonic() + SYNC_WAIT_S
        while self._heard_s is None and (left_s := answered_by_s - time.monotonic()) > 0:
            await self._take_event(channel, left_s)

    async def _should_return(self, way: Way, opened_s: float) -> bool:
        """Whether a later way has served long enough and the first one answers again."""
        first = self._config.ways[0]
        if way is first:
            if self._heard_s is not None:
                self._stay_s = self._config.return_after_s
            return False
        if time.monotonic() - opened_s < self._stay_s:
            return False
        self._stay_s = min(2 * self._stay_s, LONGEST_STAY_S)
        return await _reachable(*first.host_port)

    def _check_silence(self, opened_s: float) -> None:
        """Give up a way on which nobody acknowledges anything, if there is another. Raises LinkError."""
        heard_s = opened_s if self._heard_s is None else self._heard_s
        waiting = len(self._window) > 0 or self._heard_s is None
        if len(self._config.ways) > 1 and waiting and time.monotonic() - heard_s > self._config.silence_s:
            raise LinkError(f"no acknowledgement for {self._config.silence_s:g} s (uplink.silence_s)")

    async def _send_more(self, channel: Channel) -> None:
        """What is overdue first; then fresh batches, as far as they may go ahead, and the line."""
        window = self._window
        for key in window.overdue(time.monotonic()):
            await self._send_again(channel, key)
        if window.room_ahead > 0:
            for item in await self._spool.call(Spool.fresh, window.newest, FRESH_US, window.room_ahead):
                channel.send(item)
                window.go_ahead((item.epoch, item.sequence), time.monotonic())
                self._status.sent += 1
        if window.room > 0:
            for item in await self._spool.call(Spool.pending, window.frontier, window.room):
                if window.take_turn((item.epoch, item.sequence), time.monotonic()):
                    channel.send(item)
                    self._status.sent += 1
        self._status.in_flight = len(window)

    async def _send_again(self, channel: Channel, key: BatchKey) -> None:
        epoch, sequence = key
        found = await self._spool.call(Spool.pending, (epoch, sequence - 1), 1)
        if [(item.epoch, item.sequence) for item in found] != [key]:
            self._window.forget(key)  # it was kept aside as lying behind a loss: nobody will ever settle it
            return
        channel.send(found[0])
        self._status.resent += 1
        self._window.sent_again(key, time.monotonic())

    async def _take_event(self, channel: Channel, most_s: float = IDLE_S) -> None:
        due_s = self._window.next_due_s() - time.monotonic()
        match await channel.next_event(max(0.01, min(most_s, due_s))):
            case Answer(data):
                await self._take_acknowledgement(data)
            case NotDelivered() as news:
                self._note_not_delivered(news)
            case Held(reason):
                self._status.message = reason
                log.warning("held up: %s", reason)

    def _note_not_delivered(self, news: NotDelivered) -> None:
        """A batch that was not passed on stays under way, due again sooner."""
        if news.key is not None:
            self._window.not_delivered(news.key, time.monotonic())
        self._status.undelivered += 1
        what = "a question for the last acknowledgement"
        if news.key is not None:
            what = f"batch {news.key[1]} of epoch {news.key[0]}"
        self._status.message = f"not delivered: {what}: {news.reason}"
        log.warning("not delivered: what=%r reason=%r", what, news.reason)

    async def _take_acknowledgement(self, data: bytes) -> None:
        try:
            said = ack.open_signed(data, self._trusted)
        except FormatError as err:
            self._alarm(f"an acknowledgement is not believed ({err.code}): {err}")
            return
        settlement = await self._spool.call(Spool.settle, said)
        if settlement.alarm:
            self._alarm(settlement.alarm)
            return
        self._note_settled(said)
        self._status.settled += settlement.deleted
        for sequence, code in settlement.refused:
            self._status.refused += 1
            log.error("a batch is kept aside: epoch=%d sequence=%d code=%s", said.epoch, sequence, code)
        for sequence, code in settlement.beyond:
            self._status.message = f"ingest does not take batch {sequence} of epoch {said.epoch}: {code}"
            log.error("a batch is not taken and stays: epoch=%d sequence=%d code=%s", said.epoch, sequence, code)

    def _note_settled(self, said: ack.Ack) -> None:
        now_s, now_us = time.monotonic(), clock.now_us()
        self._heard_s = now_s
        sent_s = self._window.settled(said.epoch, said.through, now_s)
        if sent_s is not None:
            self._meter.add(said.at_us, sent_s=sent_s, now_s=now_s, now_us=now_us)
        self._status.last_ack_us = now_us
        self._status.last_ack_epoch, self._status.last_ack_through = said.epoch, said.through
        self._status.message = ""
        self._status.in_flight = len(self._window)

    def _alarm(self, alarm: str) -> None:
        log.error("alarm: %s", alarm)
        self._status.raise_alarm(alarm)


async def _reachable(host: str, port: int) -> bool:
    """Whether anybody takes a TCP connection there."""
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
