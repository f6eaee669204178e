"""Reads a node's history into the spool, page by page, from where the spool says the last reading was.

Pages by time: every request begins at the last known source time, and as many rows at that time as the spool has are
left out. So a page that was committed before a crash is never read twice, several values at one time are all kept, and
a server that cuts its answers short, with or without saying so, is read to the end. A continuation point is followed
where a page holds nothing new, because more values share one time than fit into it; elsewhere it is given back at once
(see docs/adr/0040-history-by-time.md).

Not handled: values that a server inserts into its history before the last reading; they are not found.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import uaerrors
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import BadContinuationPointInvalid

from edge_agent import clock
from edge_agent.sources.opcua.connection import MALFORMED, Connection
from edge_agent.sources.opcua.decode import history
from edge_agent.sources.opcua.item import Item, Seam, key_of
from edge_agent.sources.opcua.values import Reading, ValueRefusedError, reading, to_datetime, to_us
from edge_agent.spool import Spool
from edge_agent.spool_model import MICROSECONDS_PER_DAY, PointState
from edge_agent.spool_thread import SpoolThread
from verification.batch import Gap
from verification.errors import RetroProofError
from verification.model import NULL_TIME_US, RowFlag, Rows

VALUES_PER_REQUEST = 2_000
RESOLUTION_US = 1_000  # servers in JavaScript know no finer times: to begin later, begin a millisecond later
# With these a server refuses the whole request, and would the next time. Others may pass, or end the session.
NO_HISTORY = (
    uaerrors.BadEncodingLimitsExceeded,
    uaerrors.BadHistoryOperationInvalid,
    uaerrors.BadHistoryOperationUnsupported,
    uaerrors.BadInternalError,
    uaerrors.BadNotImplemented,
    uaerrors.BadNotSupported,
    uaerrors.BadResponseTooLarge,
    uaerrors.BadServiceUnsupported,
    uaerrors.BadUnexpectedError,
    uaerrors.BadUserAccessDenied,
)
PAGE_TOO_SMALL = "history_page_too_small"

log = logging.getLogger(__name__)


class HistoryError(RetroProofError):
    """The server gives no history of this node; live values and gaps remain."""


class _Page(NamedTuple):
    """One answer: its readings in time order, where it goes on, whether it is full, its latest time, usable or not."""

    readings: list[Reading]
    continuation: bytes
    full: bool
    last_us: int


class HistoryReader:
    """Reads through one session; `backfill_days` bounds how far back a point that was never read begins."""

    def __init__(self, connection: Connection, spool: SpoolThread, backfill_days: float) -> None:
        self._connection = connection
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
            _tell(seam, known, new)
            if not new and page.continuation:
                page, new = await self._follow(item, page, start_us, to_skip - len(known))
                _tell(seam, [], new)
            await self._release(item, page.continuation)
            if new:
                await self._commit(item, new)
                total += len(new)
                reached = to_datetime(new[-1].time_us).isoformat()
                log.info("history read: point=%s rows=%d up_to=%s", item.name, total, reached)
            elif page.full or page.continuation:
                after_us = max(start_us, page.last_us) + RESOLUTION_US - 1
                gap = Gap((item.index,), start_us, after_us, PAGE_TOO_SMALL)
                await self._spool.call(Spool.append, Rows.empty(), gaps=[gap])
                log.error("history has more values at one time than the server gives: point=%s", item.name)
            else:
                return total

    async def _follow(self, item: Item, page: _Page, start_us: int, to_skip: int) -> tuple[_Page, list[Reading]]:
        """Go on from a page without news to one with; returns the last page read and what is new in it.

        A server whose continuation points are only times answers with the same page and point again: no way on.
        """
        while page.continuation:
            try:
                following = await self._read_page(item, start_us, page.continuation)
            except BadContinuationPointInvalid:
                # The server has freed it, as it may (Part 4, 7.9).
                return page._replace(continuation=b""), []
            if following == page:
                break
            page = following
            known, new = _split(page.readings, start_us, to_skip)
            to_skip -= len(known)
            if new:
                return page, new
        return page, []

    async def _release(self, item: Item, continuation: bytes) -> None:
        """Give a continuation point back: a server has few of them and refuses to read on when they are used up."""
        if continuation:
            with suppress(BadContinuationPointInvalid, *NO_HISTORY):
                request = self._request(item, clock.now_us(), continuation, release=True)
                _result_in(await self._connection.read_history(request))

    async def _read_page(self, item: Item, start_us: int, continuation: bytes = b"") -> _Page:
        try:
            data = await self._connection.read_history(self._request(item, start_us, continuation))
            quick = history(data, clock.now_us()) if item.element is None else None
            if quick is not None:
                following, values = quick
                readings = [one for _, one in values.readings()]
                return _page(readings, following, len(values), max(values.time_us, default=start_us), start_us)
            result = _result_in(data)
        except NO_HISTORY as err:
            raise HistoryError(f"the server gives no history: {type(err).__name__}") from err
        except MALFORMED as err:
            raise HistoryError(f"the server's history cannot be read: {type(err).__name__}: {err}") from err
        if continuation and result.StatusCode.is_bad():
            raise BadContinuationPointInvalid
        if result.StatusCode.is_bad():
            raise HistoryError(f"the server gives no history: {result.StatusCode.name}")
        given = getattr(result.HistoryData, "DataValues", None) or []
        last_us = max((to_us(one.SourceTimestamp) or start_us for one in given), default=start_us)
        return _page(self._readings(item, given), result.ContinuationPoint or b"", len(given), last_us, start_us)

    def _request(
        self, item: Item, start_us: int, continuation: bytes, *, release: bool = False
    ) -> ua.HistoryReadParameters:
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=to_datetime(start_us),
            EndTime=to_datetime(_end_us(start_us)),
            NumValuesPerNode=VALUES_PER_REQUEST,
            ReturnBounds=False,
        )
        node = ua.HistoryReadValueId(
            NodeId=item.node_id, IndexRange=item.index_range or "", ContinuationPoint=continuation or None
        )
        return ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=release,
            NodesToRead=[node],
        )

    def _readings(self, item: Item, values: Sequence[ua.DataValue]) -> list[Reading]:
        found, now_us = [], clock.now_us()
        for data in values:
            try:
                found.append(reading(data, now_us, item.element))
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
        item.status.took(new[-1].time_us, new[-1].value, new[-1].status, rows=len(new))


def _result_in(data: bytes) -> ua.HistoryReadResult:
    """The one result of a response, decoded by the library. Raises UaError, and MALFORMED on bytes that are none."""
    response = struct_from_binary(ua.HistoryReadResponse, Buffer(data))
    response.ResponseHeader.ServiceResult.check()
    result: ua.HistoryReadResult
    (result,) = response.Results
    return result


def _page(readings: list[Reading], continuation: bytes, given: int, last_us: int, start_us: int) -> _Page:
    """The page of an answer with `given` values. What a server gives beyond the asked end would never count as read,
    and be asked for again for ever.
    """
    found = [one for one in readings if one.time_us <= _end_us(start_us)]
    found.sort(key=lambda one: one.time_us)  # stable: values at one time keep the server's order
    return _Page(found, continuation, given >= VALUES_PER_REQUEST, last_us)


def _resume(state: PointState | None, after_us: int | None, earliest_us: int) -> tuple[int, int]:
    """From which time to ask, and how many rows at exactly that time the spool has."""
    if state is None or state.time_us == NULL_TIME_US:
        return earliest_us, 0
    if after_us is not None and after_us >= state.time_us:
        return after_us + 1, 0
    return state.time_us, state.count


def _split(page: list[Reading], start_us: int, to_skip: int) -> tuple[list[Reading], list[Reading]]:
    """What of a page the spool has, and what is new; bounding values from before the start are neither."""
    at_start = [one for one in page if one.time_us == start_us]
    later = [one for one in page if one.time_us > start_us]
    return at_start[:to_skip], at_start[to_skip:] + later


def _tell(seam: Seam | None, known: list[Reading], new: list[Reading]) -> None:
    """Have a seam know what is in the spool or on its way there; what was there beforehand it learns once."""
    if seam is None:
        return
    for one in new if seam.primed else (*known, *new):
        seam.add(key_of(one))
    seam.primed = True


def _end_us(start_us: int) -> int:
    """An end in the future, since some servers insist on one; before the start it would ask for the reverse order."""
    return max(start_us, clock.now_us()) + MICROSECONDS_PER_DAY
