"""Takes the values of one subscription into the spool, closing the seam between history and live values on the way.

`on_publish` returns only once the values are durable, because its return lets the library acknowledge them. When it
cannot go on it never returns: the notification stays unacknowledged, and `raise_failure_within` tells the source, which
ends the session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from asyncua import ua

from edge_agent import clock
from edge_agent.sources.opcua_history import HistoryReader
from edge_agent.sources.opcua_item import Item, Seam
from edge_agent.sources.opcua_values import Reading, ValueRefusedError, reading
from edge_agent.spool import Spool
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.batch import Gap
from verification.errors import RetroProofError
from verification.model import Rows

# A server may write a value into its history a little after it has shown it to subscribers.
HISTORY_LAG_S = 3.0
HISTORY_POLL_S = 0.05
LOGGED_REFUSALS = 3
OUTAGE = "outage"
QUEUE_OVERFLOW = "queue_overflow"

log = logging.getLogger(__name__)


class SubscriptionEndedError(RetroProofError):
    """The server ended the subscription; another session must begin."""


class LiveValues:
    """The receiving end of one subscription over `items`, whose indices are the client handles."""

    def __init__(self, items: Sequence[Item], history: HistoryReader, spool: SpoolThread, status: SourceStatus) -> None:
        self._items = {item.index: item for item in items}
        self._history = history
        self._spool = spool
        self._status = status
        self._heard_at_s = time.monotonic()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def silent_for_s(self) -> float:
        """Seconds since the server last sent anything."""
        return time.monotonic() - self._heard_at_s

    async def raise_failure_within(self, timeout_s: float) -> None:
        """Wait up to `timeout_s`; raise what has stopped the taking of values."""
        done, _ = await asyncio.wait([self._failure], timeout=timeout_s)
        if done:
            self._failure.result()

    async def on_publish(self, result: ua.PublishResult) -> None:
        """The library's callback: it acknowledges the notification when this returns."""
        self._heard_at_s = time.monotonic()
        try:
            await self._take(result.NotificationMessage.NotificationData or [])
        except Exception as err:  # noqa: BLE001 - whatever it is, returning would acknowledge what is not kept
            if not self._failure.done():
                self._failure.set_exception(err)
                self._failure.exception()  # the session may end for another reason before anyone asks
            await asyncio.Event().wait()  # until the session's end cancels it
        # A long look into the history is no silence of the server.
        self._heard_at_s = time.monotonic()

    async def _take(self, notifications: Sequence[object]) -> None:
        values: list[tuple[Item, Reading]] = []
        for notification in notifications:
            match notification:
                case ua.DataChangeNotification():
                    values += self._read(notification.MonitoredItems)
                case ua.StatusChangeNotification():
                    raise SubscriptionEndedError(f"the server ended the subscription: {notification.Status.name}")
        gaps = await self._close_seams(values)
        rows = Rows.empty()
        taken: list[tuple[Item, Reading]] = []
        for item, one in values:
            if item.seam is not None:
                if item.seam.explains(one):
                    self._status.doubles += 1
                    continue
                if item.seam.ends_before(one):
                    item.seam = None
            rows.append(item.index, one.time_us, one.value, status=one.status, server_time_us=one.server_time_us)
            taken.append((item, one))
        if rows or gaps:
            await self._spool.call(Spool.append, rows, gaps=gaps)
        for item, one in taken:
            item.status.took(one.time_us, one.value, one.status)

    def _read(self, notifications: Sequence[ua.MonitoredItemNotification]) -> list[tuple[Item, Reading]]:
        """What the notification says, without what is no number; that is the point's error, not the session's."""
        found = []
        for notification in notifications:
            item = self._items.get(notification.ClientHandle)
            if item is None:
                continue
            try:
                one = reading(notification.Value, clock.now_us())
            except ValueRefusedError as err:
                item.status.refused += 1
                self._status.bad += 1
                item.status.fail(err)
                if item.status.refused <= LOGGED_REFUSALS:
                    log.warning("a value is refused: point=%s reason=%r", item.name, str(err))
                continue
            item.status.state, item.status.message = "live", ""
            found.append((item, one))
        return found

    async def _close_seams(self, values: Sequence[tuple[Item, Reading]]) -> list[Gap]:
        """Read what lies between the spool and these values, where a break or an overflow says that something does."""
        gaps: list[Gap] = []
        until_us: dict[int, int] = {}
        before_us: dict[int, int] = {}
        for item, one in values:
            if one.overflowed or item.seam_due:
                if not item.historizing:
                    gaps += await self._gap_before(item, one, before_us.get(item.index))
                item.seam_due = False
                until_us.setdefault(item.index, one.time_us)
            if item.index in until_us:
                until_us[item.index] = max(until_us[item.index], one.time_us)
            before_us[item.index] = one.time_us
        deadline_s = time.monotonic() + HISTORY_LAG_S
        for index, time_us in until_us.items():
            item = self._items[index]
            seam = Seam()
            last = await self._spool.call(Spool.state, index)
            if item.historizing:
                await self._read_history_until(item, seam, time_us, deadline_s)
            if last is not None:
                seam.add_last(last)
            item.seam = seam
        return gaps

    async def _read_history_until(self, item: Item, seam: Seam, time_us: int, deadline_s: float) -> None:
        """Catch up until history has reached a live value; a history that stays behind is left where it is."""
        while True:
            await self._history.catch_up(item, seam)
            state = await self._spool.call(Spool.state, item.index)
            if (state is not None and state.time_us >= time_us) or time.monotonic() >= deadline_s:
                return
            await asyncio.sleep(HISTORY_POLL_S)

    async def _gap_before(self, item: Item, one: Reading, before_us: int | None) -> list[Gap]:
        """The span between the reading before and this one, of a node whose server remembers nothing."""
        if before_us is None:
            state = await self._spool.call(Spool.state, item.index)
            before_us = one.time_us if state is None else state.row_time_us
        if one.time_us <= before_us:
            return []
        reason = QUEUE_OVERFLOW if one.overflowed else OUTAGE
        return [Gap((item.index,), before_us, one.time_us, reason)]
