"""Takes a session's messages into the spool, closing the seam between history and live values on the way.

`take` returns once the message's values are durable, with the message's own number: whoever called it may acknowledge.
A server reports a node when its status, value or source time has changed (Part 4, 7.22.2). What equals the node's value
before in all three is therefore no new sample but the old one once more: a new subscription begins like this, and some
servers (node-opcua) repeat every last value when a session is taken up again. It is left out and counted. A queue that
ran over is to be told by the overflow bit (7.22.3), and some servers (asyncua's) drop values without it; so a message
that holds as many values of a node as its queue does is looked at too
(docs/adr/0097-a-full-queue-may-have-run-over.md).

Almost every message goes in by columns; one that touches a seam, an overflow, a repetition or an unknown node is looked
at value by value.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import eq, sub

from edge_agent import clock
from edge_agent.sources.opcua.history import HistoryError, HistoryReader
from edge_agent.sources.opcua.item import INDEX_MASK, Item, Seam
from edge_agent.sources.opcua.values import OVERFLOW, Reading, Values, to_datetime
from edge_agent.spool import Spool
from edge_agent.spool_model import PointState, Taken, value_bits
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.batch import Gap
from verification.model import Rows

# A server may write a value into its history a little after it has shown it to subscribers.
HISTORY_LAG_S = 3.0
HISTORY_POLL_S = 0.05
LOGGED_REFUSALS = 3
# A source time is odd if it lies a day after ours or a day before the point's last, as after a battery has failed; or
# in years from before there was such a plant. A value that has not changed for long is old, and not odd.
ODD_CLOCK_US = 86_400_000_000
NO_PLANT_BEFORE_US = 1_262_304_000_000_000  # 2010-01-01
OUTAGE = "outage"
QUEUE_OVERFLOW = "queue_overflow"

Sample = tuple[int, float, int]  # source time, value and status

log = logging.getLogger(__name__)


class Intake:
    """The way into the spool for the values of `items`, by their handle; others are left out."""

    def __init__(
        self, items: Mapping[int, Item], history: HistoryReader, spool: SpoolThread, status: SourceStatus
    ) -> None:
        self._items = items
        self._history = history
        self._spool = spool
        self._status = status
        self._previous: dict[int, Sample] = {}  # what the server said last of each point

    async def remember(self) -> None:
        """Learn from the spool what came last of each point, before the first message of this process."""
        states = await self._spool.call(Spool.states)
        self._previous = {point: state.row for point, state in states.items()}

    async def take(self, values: Values, taken: Taken, session: Callable[[], bytes | None]) -> None:
        """Commit what is new in a message, and with it what `session` says once its seams are closed.

        Raises SpoolFullError, having kept nothing.
        """
        self._refuse(values.refused)
        gaps: list[Gap] = []
        overrun = self._overrun(values)
        if overrun or self._needs_care(values):
            values, gaps = await self._carefully(values, overrun)
            # In one transaction with the rows: a kill between the two would lose a gap, or invent one.
            taken = taken._replace(session=session())
        rows = Rows(
            array("H", _points(values)),
            array("q", values.time_us),
            array("d", values.value),
            array("I", values.status),
            array("B", bytes(len(values))),
            array("q", values.server_time_us),
        )
        await self._spool.call(Spool.append, rows, gaps=gaps, taken=taken)
        self._previous.update(zip(_points(values), _samples(values), strict=True))
        self._note(values)

    def expect_loss(self, items: Iterable[Item]) -> None:
        """A message is lost for good: before the next values of these items are taken, mend what can be mended."""
        for item in items:
            item.seam_due = True

    def _needs_care(self, values: Values) -> bool:
        handles = set(values.handle)
        return (
            not handles <= self._items.keys()
            or any(status & OVERFLOW == OVERFLOW for status in set(values.status))
            or any(item.seam_due or item.seam is not None for item in map(self._items.__getitem__, handles))
            or any(map(math.isnan, values.value))
            or any(map(eq, map(self._previous.get, _points(values)), _samples(values)))
            or (
                len(handles) < len(values) and len(set(zip(values.handle, _samples(values), strict=True))) < len(values)
            )
        )

    def _overrun(self, values: Values) -> set[int]:
        """The handles whose values fill the server's queue, so that it may have dropped some before them.

        Where no history can tell, it is taken to have done so if the step to the first is longer than any after it.
        """
        counts = Counter(values.handle)
        full = [
            item
            for handle, count in counts.items()
            if (item := self._items.get(handle)) and 1 < (item.status.revised_queue or 0) <= count
        ]
        return {item.handle for item in full if item.historizing or self._steps_over(item, values)}

    def _steps_over(self, item: Item, values: Values) -> bool:
        rows = zip(values.handle, values.time_us, strict=True)
        times = [time_us for handle, time_us in rows if handle == item.handle]
        previous = self._previous.get(item.index)
        return previous is not None and times[0] - previous[0] > max(map(sub, times[1:], times))

    async def _carefully(self, values: Values, overrun: set[int]) -> tuple[Values, list[Gap]]:
        """The values without those of unknown nodes and without doubles, and the gaps before them."""
        rows = [(self._items.get(handle), one) for handle, one in values.readings()]
        known = [(item, one) for item, one in rows if item is not None]
        gaps = await self._close_seams(known, overrun)
        kept = Values()
        for item, one in known:
            if self._is_repetition(item, one) or _is_in_history(item, one):
                self._status.doubles += 1
                item.status.state = "live"
            else:
                kept.add(item.handle, one)
        return kept, gaps

    def _is_repetition(self, item: Item, one: Reading) -> bool:
        """Whether this is the point's sample before once more, to the bit, so that NaN equals NaN."""
        previous = self._previous.get(item.index)
        self._previous[item.index] = (one.time_us, one.value, one.status)
        if previous is None:
            return False
        time_us, value, status = previous
        return (time_us, status) == (one.time_us, one.status) and value_bits(value) == value_bits(one.value)

    def _refuse(self, refused: Sequence[tuple[int, str]]) -> None:
        """What is no number is the point's error, not the session's."""
        for handle, why in refused:
            item = self._items.get(handle)
            if item is None:
                continue
            item.status.refused += 1
            self._status.bad += 1
            item.status.fail(why)
            if item.status.refused <= LOGGED_REFUSALS:
                log.warning("a value is refused: point=%s reason=%r", item.name, why)

    def _note(self, values: Values) -> None:
        """Show what came last of each point, and what is odd about it."""
        counts = Counter(values.handle)
        latest_us = clock.now_us() + ODD_CLOCK_US
        for handle, place in dict(zip(values.handle, range(len(values)), strict=True)).items():
            status = self._items[handle].status
            status.state, status.message = "live", ""
            time_us = values.time_us[place]
            earliest_us = max(NO_PLANT_BEFORE_US, (status.last_time_us or 0) - ODD_CLOCK_US)
            if not earliest_us <= time_us <= latest_us:
                status.odd_times += 1
                status.message = f"its clock says {to_datetime(time_us):%Y-%m-%d %H:%M}; set it: kept as it came"
            status.took(time_us, values.value[place], values.status[place], rows=counts[handle])
        if not all(map(math.isfinite, values.value)):
            self._note_not_finite(values)

    def _note_not_finite(self, values: Values) -> None:
        for handle, value in zip(values.handle, values.value, strict=True):
            if not math.isfinite(value):
                status = self._items[handle].status
                status.not_finite += 1
                status.message = f"the source sent {value}; it is kept as it came"

    async def _close_seams(self, values: Sequence[tuple[Item, Reading]], overrun: set[int]) -> list[Gap]:
        """Read what lies between the spool and these values, where a break or an overflow says that something does."""
        gaps: list[Gap] = []
        # The time before each break, the first reading after it, and its reason.
        breaks: dict[int, list[tuple[int | None, Reading, str]]] = {}
        reached_us: dict[int, int] = {}
        for item, one in values:
            overflowed = one.overflowed or (item.handle in overrun and item.handle not in reached_us)
            if overflowed or item.seam_due:
                item.seam_due = False
                why = QUEUE_OVERFLOW if overflowed else OUTAGE
                breaks.setdefault(item.handle, []).append((reached_us.get(item.handle), one, why))
            reached_us[item.handle] = max(reached_us.get(item.handle, one.time_us), one.time_us)
        deadline_s = time.monotonic() + HISTORY_LAG_S
        for handle, found in breaks.items():
            item = self._items[handle]
            seam = Seam()
            if not await self._mended(item, seam, reached_us[handle], deadline_s):
                last = await self._spool.call(Spool.state, item.index)
                gaps += [gap for before_us, one, why in found if (gap := _gap(item, last, before_us, one, why))]
            item.seam = seam if seam.known else None
        return gaps

    async def _mended(self, item: Item, seam: Seam, time_us: int, deadline_s: float) -> bool:
        """Whether the history had what was missing; where it had not, or there is none, a gap is left."""
        if not item.historizing:
            return False
        try:
            return await self._read_history_until(item, seam, time_us, deadline_s)
        except HistoryError as err:
            item.historizing = item.status.historizing = False
            log.warning("no history: point=%s reason=%r", item.name, str(err))
            return False

    async def _read_history_until(self, item: Item, seam: Seam, time_us: int, deadline_s: float) -> bool:
        """Catch up until history has reached a live value; False for one that stays behind it.

        What it shows later is never asked for. A value from a day ahead is in no history, and says nothing of it.
        """
        while True:
            await self._history.catch_up(item, seam)
            state = await self._spool.call(Spool.state, item.index)
            if state is not None and state.time_us >= time_us:
                return True
            if time.monotonic() >= deadline_s:
                break
            await asyncio.sleep(HISTORY_POLL_S)
        if time_us > clock.now_us() + ODD_CLOCK_US:
            return True
        log.warning("history stays behind its subscription: point=%s", item.name)
        return False


def _points(values: Values) -> list[int]:
    return [handle & INDEX_MASK for handle in values.handle]


def _samples(values: Values) -> Iterator[Sample]:
    return zip(values.time_us, values.value, values.status, strict=True)


def _is_in_history(item: Item, one: Reading) -> bool:
    """Whether history has brought this value already; closes the seam behind what both may bring."""
    if item.seam is None:
        return False
    if item.seam.explains(one):
        return True
    if item.seam.ends_before(one):
        item.seam = None
    return False


def _gap(item: Item, last: PointState | None, before_us: int | None, one: Reading, reason: str) -> Gap | None:
    """The span between the latest reading before and this one; None where nothing can be missing."""
    if before_us is None:
        before_us = one.time_us if last is None else last.time_us
    if one.time_us <= before_us:
        return None
    return Gap((item.index,), before_us, one.time_us, reason)
