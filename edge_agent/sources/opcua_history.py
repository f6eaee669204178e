"""Reads a node's history into the spool, page by page, from where the spool says the last reading was.

Pages by time, not by continuation point: every request begins at the last known source time, and as many rows at that
time as the spool has are left out. So a page that was committed before a crash is never read twice, several values at
one time are all kept, and a server that cuts its answers short, with or without saying so, is read to the end. The
continuation points are left alone: a server frees them itself when it needs them (Part 4, 7.9).

Not handled: values that a server inserts into its history before the last reading; they are not found.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from asyncua import ua
from asyncua.client.client import Client

from edge_agent import clock
from edge_agent.sources.opcua_item import Item, Seam, key_of
from edge_agent.sources.opcua_values import Reading, ValueRefusedError, reading, to_datetime, to_us
from edge_agent.spool import Spool
from edge_agent.spool_model import MICROSECONDS_PER_DAY, PointState
from edge_agent.spool_thread import SpoolThread
from verification.batch import Gap
from verification.errors import RetroProofError
from verification.model import RowFlag, Rows

VALUES_PER_REQUEST = 2_000
PAGE_TOO_SMALL = "history_page_too_small"

log = logging.getLogger(__name__)


class HistoryError(RetroProofError):
    """The server gives no history of this node; live values and gaps remain."""


class _Page(NamedTuple):
    """One answer: its readings in time order, whether there may be more, and its latest time, usable or not."""

    readings: list[Reading]
    cut_short: bool
    last_us: int


class HistoryReader:
    """Reads through one session; `backfill_days` bounds how far back a point that was never read begins."""

    def __init__(self, client: Client, spool: SpoolThread, backfill_days: float) -> None:
        self._client = client
        self._spool = spool
        self._backfill_us = int(backfill_days * MICROSECONDS_PER_DAY)

    async def catch_up(self, item: Item, seam: Seam | None = None) -> int:
        """Commit all that the server has after the last reading; returns the number of rows.

        `seam` is told every sample from the last known time on, old and new. Raises HistoryError.
        """
        total = 0
        after_us: int | None = None  # set where a time has more values than the server gives: the way on
        while True:
            state = await self._spool.call(Spool.state, item.index)
            start_us, to_skip = _resume(state, after_us, clock.now_us() - self._backfill_us)
            page = await self._read_page(item, start_us)
            known, new = _split(page.readings, start_us, to_skip)
            if seam is not None:
                for one in new if seam.primed else (*known, *new):
                    seam.add(key_of(one))
                seam.primed = True
            if new:
                await self._commit(item, new)
                total += len(new)
                log.info(
                    "history read: point=%s rows=%d up_to=%s",
                    item.name,
                    total,
                    to_datetime(new[-1].time_us).isoformat(),
                )
            elif page.cut_short:
                after_us = max(start_us, page.last_us)
                gap = Gap((item.index,), start_us, after_us, PAGE_TOO_SMALL)
                await self._spool.call(Spool.append, Rows.empty(), gaps=[gap])
                log.error("history has more values at one time than the server gives: point=%s", item.name)
            else:
                return total

    async def _read_page(self, item: Item, start_us: int) -> _Page:
        # An end in the future, since some servers insist on one; it must not lie before the start, which would ask for
        # the reverse order.
        end = to_datetime(max(start_us, clock.now_us())) + timedelta(days=1)
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=to_datetime(start_us),
            EndTime=end,
            NumValuesPerNode=VALUES_PER_REQUEST,
            ReturnBounds=False,
        )
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            NodesToRead=[ua.HistoryReadValueId(NodeId=item.node_id, IndexRange="")],
        )
        (result,) = await self._client.uaclient.session.history_read(parameters)
        if result.StatusCode.is_bad():
            raise HistoryError(f"the server gives no history: {result.StatusCode.name}")
        values = getattr(result.HistoryData, "DataValues", None) or []
        found = self._readings(item, values)
        found.sort(key=lambda one: one.time_us)  # stable: values at one time keep the server's order
        cut_short = bool(result.ContinuationPoint) or len(values) >= VALUES_PER_REQUEST
        last_us = max((to_us(data.SourceTimestamp) or start_us for data in values), default=start_us)
        return _Page(found, cut_short, last_us)

    def _readings(self, item: Item, values: Sequence[ua.DataValue]) -> list[Reading]:
        found = []
        for data in values:
            try:
                found.append(reading(data, clock.now_us()))
            except ValueRefusedError as err:
                item.status.refused += 1
                item.status.message = f"in history: {err}"
        return found

    async def _commit(self, item: Item, new: list[Reading]) -> None:
        rows = Rows.empty()
        for one in new:
            rows.append(
                item.index,
                one.time_us,
                one.value,
                status=one.status,
                flags=RowFlag.BACKFILLED,
                server_time_us=one.server_time_us,
            )
        await self._spool.call(Spool.append, rows)
        item.status.backfilled += len(new)
        for one in new:
            item.status.took(one.time_us, one.value, one.status)


def _resume(state: PointState | None, after_us: int | None, earliest_us: int) -> tuple[int, int]:
    """From which time to ask, and how many rows at exactly that time the spool has."""
    if state is None:
        return earliest_us, 0
    if after_us is not None and after_us >= state.time_us:
        return after_us + 1, 0
    return state.time_us, state.count


def _split(page: list[Reading], start_us: int, to_skip: int) -> tuple[list[Reading], list[Reading]]:
    """What of a page the spool has, and what is new; bounding values from before the start are neither."""
    at_start = [one for one in page if one.time_us == start_us]
    later = [one for one in page if one.time_us > start_us]
    return at_start[:to_skip], at_start[to_skip:] + later
