"""Takes sealed batches to ingest over MQTT v5, and has the spool forget them on ingest's signed word only.

Topics: `plant/<device>/batch` carries batches, `plant/<device>/sync` asks for the last acknowledgement of an epoch (8
bytes, big-endian), `ack/<device>` brings acknowledgements. A PUBACK proves nothing: brokers keep messages in memory,
and may acknowledge what nobody receives. What is not acknowledged by ingest in time is sent again; repeats do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent import clock
from edge_agent.backoff import Backoff
from edge_agent.config.uplink import UplinkConfig
from edge_agent.mqtt_link import LinkError, Message, MqttLink, Published, connected
from edge_agent.spool import Spool
from edge_agent.spool_model import SealedBatch
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import UplinkStatus
from verification import ack
from verification.errors import ConfigError, FormatError

FIRST_RESEND_S = 10.0  # without a word from anyone: it may still be on its way
FIRST_UNDELIVERED_S = 1.0  # the broker said that nobody got it: ask again soon, then ever less often
LAST_RESEND_S = 60.0
SYNC_WAIT_S = 2.0
IDLE_S = 5.0
BEFORE_ALL = (-1, -1)

BatchKey = tuple[int, int]  # epoch and sequence

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _UnderWay:
    """A batch that was sent on this connection and is not settled."""

    due_s: float
    wait_s: float = FIRST_RESEND_S
    undelivered: bool = False


class Uplink:
    """`run` for as long as the agent lives; `notify` when a batch was sealed."""

    def __init__(
        self,
        device: str,
        config: UplinkConfig,
        trusted: Ed25519PublicKey,
        spool: SpoolThread,
        status: UplinkStatus,
    ) -> None:
        self._device = device
        self._config = config
        self._trusted = trusted
        self._spool = spool
        self._status = status
        self._link: MqttLink | None = None
        self._under_way: dict[BatchKey, _UnderWay] = {}
        self._packets: dict[int, BatchKey] = {}
        self._sent_up_to: BatchKey = BEFORE_ALL
        self._ask_again_s = FIRST_UNDELIVERED_S

    def notify(self) -> None:
        """Something may be there to send."""
        if self._link is not None:
            self._link.nudge()

    async def run(self) -> None:
        """Connect, work, and connect again when the connection ends; never returns."""
        backoff = Backoff()
        while True:
            try:
                async with connected(self._config, f"{self._device}-uplink") as link:
                    self._link = link
                    await self._start_session(link)
                    backoff.reset()
                    while True:
                        await self._send_more(link)
                        await self._wait_for_event(link)
            except (LinkError, ConfigError) as err:
                log.warning("the uplink is down: endpoint=%s reason=%r", self._config.mqtt, str(err))
                self._status.state, self._status.message = "disconnected", str(err)
            finally:
                self._link = None
            await asyncio.sleep(backoff.next_s())

    async def _start_session(self, link: MqttLink) -> None:
        """Begin anew: what was under way on an old connection may have arrived, so ask before sending it again."""
        self._under_way.clear()
        self._packets.clear()
        self._sent_up_to = BEFORE_ALL
        self._status.in_flight = 0
        if await link.subscribe([f"ack/{self._device}"]):
            raise LinkError(f"the broker does not let us read ack/{self._device}; check its access list")
        for epoch in await self._spool.call(Spool.epochs):
            link.publish(f"plant/{self._device}/sync", epoch.to_bytes(8, "big"))
        self._status.state, self._status.message = "connected", ""
        log.info("the uplink is connected: endpoint=%s", self._config.mqtt)
        answered_by_s = time.monotonic() + SYNC_WAIT_S
        while (left_s := answered_by_s - time.monotonic()) > 0:
            event = await link.next_event(left_s)
            if isinstance(event, Message):
                await self._take_acknowledgement(link, event)
                return

    async def _send_more(self, link: MqttLink) -> None:
        """Fill the window with new batches, and repeat what waited too long."""
        room = self._config.window - len(self._under_way)
        if room > 0:
            for item in await self._spool.call(Spool.pending, self._sent_up_to, room):
                key = (item.epoch, item.sequence)
                self._send(link, item)
                self._under_way[key] = _UnderWay(time.monotonic() + FIRST_RESEND_S)
                self._sent_up_to = key
                self._status.sent += 1
        now_s = time.monotonic()
        for (epoch, sequence), waiting in list(self._under_way.items()):
            if waiting.due_s > now_s:
                continue
            for item in await self._spool.call(Spool.pending, (epoch, sequence - 1), 1):
                self._send(link, item)
                self._status.resent += 1
            waiting.undelivered = False
            waiting.wait_s = min(waiting.wait_s * 2, LAST_RESEND_S)
            waiting.due_s = time.monotonic() + waiting.wait_s
        self._status.in_flight = len(self._under_way)

    def _send(self, link: MqttLink, item: SealedBatch) -> None:
        packet_id = link.publish(f"plant/{self._device}/batch", item.data)
        self._packets[packet_id] = (item.epoch, item.sequence)

    async def _wait_for_event(self, link: MqttLink) -> None:
        due_s = min((waiting.due_s for waiting in self._under_way.values()), default=float("inf"))
        event = await link.next_event(max(0.01, min(IDLE_S, due_s - time.monotonic())))
        match event:
            case Message():
                await self._take_acknowledgement(link, event)
            case Published():
                self._note_puback(event)

    def _note_puback(self, event: Published) -> None:
        """Believe only the bad news: a batch that the broker did not pass on stays under way, due again sooner."""
        key = self._packets.pop(event.packet_id, None)
        if event.delivered:
            return
        if key in self._under_way:
            self._ask_again(self._under_way[key])
        self._status.undelivered += 1
        what = f"batch {key[1]} of epoch {key[0]}" if key else "a question for the last acknowledgement"
        self._status.message = (
            f"the broker did not deliver {what}: {event.reason}; does ingest listen, and may we write?"
        )
        log.warning("not delivered: what=%r reason=%r code=0x%02x", what, event.reason, event.reason_code)

    def _ask_again(self, refused: _UnderWay) -> None:
        """All that nobody got is due at one moment, so that it goes out in its order: a catalogue before its rows."""
        others = [waiting.due_s for waiting in self._under_way.values() if waiting.undelivered]
        if not others:
            others = [time.monotonic() + self._ask_again_s]
            self._ask_again_s = min(2 * self._ask_again_s, LAST_RESEND_S)
        refused.undelivered = True
        refused.due_s = min(others)

    async def _take_acknowledgement(self, link: MqttLink, message: Message) -> None:
        try:
            said = ack.open_signed(message.payload, self._trusted)
        except FormatError as err:
            self._alarm(f"an acknowledgement is not believed ({err.code}): {err}")
            link.acknowledge(message)
            return
        settlement = await self._spool.call(Spool.settle, said)
        if settlement.alarm:
            self._alarm(settlement.alarm)
        else:
            self._note_settled(said)
            self._status.settled += settlement.deleted
            for sequence, code in settlement.refused:
                self._status.refused += 1
                log.error("a batch is kept aside: epoch=%d sequence=%d code=%s", said.epoch, sequence, code)
        link.acknowledge(message)

    def _note_settled(self, said: ack.Ack) -> None:
        """Strike what is settled; ingest is at work: what it never got is due now, the rest gets its time again."""
        for key in [key for key in self._under_way if key[0] == said.epoch and key[1] <= said.through]:
            del self._under_way[key]
        now_s = time.monotonic()
        self._ask_again_s = FIRST_UNDELIVERED_S
        for waiting in self._under_way.values():
            waiting.due_s = now_s if waiting.undelivered else now_s + waiting.wait_s
        self._status.last_ack_us = clock.now_us()
        self._status.last_ack_epoch, self._status.last_ack_through = said.epoch, said.through
        self._status.message = ""
        self._status.in_flight = len(self._under_way)

    def _alarm(self, alarm: str) -> None:
        log.error("alarm: %s", alarm)
        self._status.raise_alarm(alarm)
