"""The uplink's transport over MQTT v5.

Topics: `plant/<device>/batch` carries batches, `plant/<device>/sync` asks for the last acknowledgement of an epoch (8
bytes, big-endian), `ack/<device>` brings acknowledgements. A PUBACK proves nothing: brokers keep messages in memory,
and may acknowledge what nobody receives. Only its bad news is believed, which MQTT 3.1.1 has none of: version 5 it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from edge_agent.config.mqtt import Broker
from edge_agent.mqtt_link import LinkError, Message, MqttLink, Published, connected
from edge_agent.spool_model import SealedBatch
from edge_agent.uplink.channel import Answer, BatchKey, Event, NotDelivered


class MqttChannel:
    """See `channel.Channel`."""

    def __init__(self, link: MqttLink, device: str) -> None:
        self._link = link
        self._device = device
        self._packets: dict[int, BatchKey | None] = {}

    async def ask(self, epochs: Sequence[int]) -> None:
        """A question for each epoch."""
        for epoch in epochs:
            packet_id = self._link.publish(f"plant/{self._device}/sync", epoch.to_bytes(8, "big"))
            self._packets[packet_id] = None

    def send(self, item: SealedBatch) -> None:
        """Publish at QoS 1."""
        packet_id = self._link.publish(f"plant/{self._device}/batch", item.data)
        self._packets[packet_id] = (item.epoch, item.sequence)

    async def next_event(self, timeout_s: float) -> Event | None:
        """An acknowledgement, or the broker's word that something did not get through."""
        match await self._link.next_event(timeout_s):
            case Message() as message:
                # One that is lost after this does no harm: the next connection asks for it.
                self._link.acknowledge(message)
                return Answer(message.payload)
            case Published() as published:
                key = self._packets.pop(published.packet_id, None)
                if not published.delivered:
                    reason = (
                        f"{published.reason} (0x{published.reason_code:02x}); does ingest listen, and may we write?"
                    )
                    return NotDelivered(key, reason)
        return None

    def nudge(self) -> None:
        """Let a waiting `next_event` return now."""
        self._link.nudge()


@asynccontextmanager
async def mqtt_channel(broker: Broker, device: str) -> AsyncIterator[MqttChannel]:
    """An open channel, closed on leaving. Raises LinkError."""
    async with connected(broker, f"{device}-uplink") as link:
        if await link.subscribe([f"ack/{device}"]):
            raise LinkError(f"the broker does not let us read ack/{device}; check its access list")
        yield MqttChannel(link, device)
