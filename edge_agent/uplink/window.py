"""Which batches go out when: a pure account of what was sent on a connection and is not settled. No I/O, no clock.

Batches go out in their order, as many as the window holds, and again when nobody acknowledged them in time. While a
backlog drains, fresh batches need not wait behind it: for each acknowledgement of progress a few of them go out ahead
of their turn. Without acknowledgements nothing goes ahead, so a silent ingest is sent one window and no more. What went
ahead takes its place in the line when the line reaches it, and is sent again only if it is overdue there.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.uplink.channel import BatchKey

FIRST_RESEND_S = 10.0  # without a word from anyone: it may still be on its way
FIRST_UNDELIVERED_S = 1.0  # somebody said that nobody got it: ask again soon, then ever less often
LAST_RESEND_S = 60.0
AHEAD_SHARE = 4  # one in so many places of the window, for each acknowledgement of progress
MAX_AHEAD = 10_000
BEFORE_ALL: BatchKey = (-1, -1)


@dataclass(slots=True)
class _UnderWay:
    """A batch that was sent on this connection and is not settled."""

    sent_s: float
    due_s: float
    wait_s: float = FIRST_RESEND_S
    undelivered: bool = False


class Window:
    """See the module. All times are seconds of one monotonic clock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._line: dict[BatchKey, _UnderWay] = {}
        self._ahead: dict[BatchKey, float] = {}  # when each was sent
        self._ask_again_s = FIRST_UNDELIVERED_S
        self._credit = 0
        self.frontier = BEFORE_ALL  # everything up to here has had its turn on this connection

    def __len__(self) -> int:
        return len(self._line)

    @property
    def room(self) -> int:
        """How many batches may go out in their turn."""
        return self._size - len(self._line)

    @property
    def room_ahead(self) -> int:
        """How many fresh batches may go out before their turn."""
        return min(self._credit, MAX_AHEAD - len(self._ahead))

    @property
    def newest(self) -> BatchKey:
        """The last batch that was sent at all."""
        return next(reversed(self._ahead), self.frontier)

    def take_turn(self, key: BatchKey, now_s: float) -> bool:
        """A batch has its turn; returns whether it is to be sent now, because it did not go ahead."""
        self.frontier = key
        sent_s = self._ahead.pop(key, None)
        self._line[key] = _UnderWay(now_s if sent_s is None else sent_s, now_s + FIRST_RESEND_S)
        return sent_s is None

    def go_ahead(self, key: BatchKey, now_s: float) -> None:
        """A fresh batch is sent before its turn."""
        self._ahead[key] = now_s
        self._credit -= 1

    def overdue(self, now_s: float) -> list[BatchKey]:
        """What nobody acknowledged in time."""
        return [key for key, waiting in self._line.items() if waiting.due_s <= now_s]

    def sent_again(self, key: BatchKey, now_s: float) -> None:
        """An overdue batch was sent once more; the next time may take twice as long."""
        waiting = self._line[key]
        waiting.undelivered = False
        waiting.wait_s = min(waiting.wait_s * 2, LAST_RESEND_S)
        waiting.due_s = now_s + waiting.wait_s

    def forget(self, key: BatchKey) -> None:
        """A batch is no longer there to be sent, and nothing will settle it."""
        del self._line[key]

    def not_delivered(self, key: BatchKey, now_s: float) -> None:
        """All that nobody got is due at one moment, so that it goes out in its order: a catalogue before its rows."""
        self._ahead.pop(key, None)
        refused = self._line.get(key)
        if refused is None:
            return
        others = [waiting.due_s for waiting in self._line.values() if waiting.undelivered]
        if not others:
            others = [now_s + self._ask_again_s]
            self._ask_again_s = min(2 * self._ask_again_s, LAST_RESEND_S)
        refused.undelivered = True
        refused.due_s = min(others)

    def settled(self, epoch: int, through: int, now_s: float) -> float | None:
        """Strike what is settled; returns when the last of it was sent, None if there is none of this connection.

        Ingest is at work, so what it never got is due now. Where it got on, the rest gets its time again; where it did
        not, one of them is missing there, and every further word would only put off its turn.
        """
        sent_s = self._line[epoch, through].sent_s if (epoch, through) in self._line else None
        before = len(self._line)
        for held in (self._line, self._ahead):
            for key in [key for key in held if key[0] == epoch and key[1] <= through]:
                del held[key]
        progress = len(self._line) < before
        if progress:
            self._credit = max(1, self._size // AHEAD_SHARE)
        self._ask_again_s = FIRST_UNDELIVERED_S
        for waiting in self._line.values():
            if waiting.undelivered:
                waiting.due_s = now_s
            elif progress:
                waiting.due_s = now_s + waiting.wait_s
        return sent_s

    def next_due_s(self) -> float:
        """When the next batch will be overdue; infinity while nothing is under way."""
        return min((waiting.due_s for waiting in self._line.values()), default=float("inf"))
