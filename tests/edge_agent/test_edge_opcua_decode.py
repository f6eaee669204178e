"""The fast decoder of publish responses against the library's: whatever a server may send, both give the same."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.sources.opcua import decode
from edge_agent.sources.opcua.decode import UndecodableError, from_message, publication

NOW_US = 1_772_323_200_000_000
NUMERIC = [
    (ua.VariantType.Boolean, st.booleans()),
    (ua.VariantType.SByte, st.integers(-(2**7), 2**7 - 1)),
    (ua.VariantType.Byte, st.integers(0, 2**8 - 1)),
    (ua.VariantType.UInt16, st.integers(0, 2**16 - 1)),
    (ua.VariantType.Int32, st.integers(-(2**31), 2**31 - 1)),
    (ua.VariantType.Int64, st.integers(-(2**63), 2**63 - 1)),
    (ua.VariantType.UInt64, st.integers(0, 2**64 - 1)),
    (ua.VariantType.Float, st.floats(width=32)),
    (ua.VariantType.Double, st.floats()),
]
times = st.one_of(
    st.none(),
    st.sampled_from([datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)]),
    st.integers(0, 2**52).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us % 2**51)),
)
variants = st.one_of(
    *(numbers.map(lambda value, kind=kind: ua.Variant(value, kind)) for kind, numbers in NUMERIC),
    st.text(max_size=5).map(lambda text: ua.Variant(text, ua.VariantType.String)),
    st.lists(st.integers(0, 99), max_size=3).map(lambda some: ua.Variant(some, ua.VariantType.Int32)),
    st.just(ua.Variant(None, ua.VariantType.Null)),
)


doubles = st.floats().map(lambda value: ua.Variant(value, ua.VariantType.Double))
# Making up a message takes long on a busy machine; that is no flaw of the test.
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)


@st.composite
def data_values(draw: st.DrawFn, kinds: st.SearchStrategy[ua.Variant] = variants) -> ua.DataValue:
    return ua.DataValue(
        draw(kinds),
        StatusCode=draw(st.sampled_from([None, ua.StatusCode(0), ua.StatusCode(0x480), ua.StatusCode(0x80000000)])),
        SourceTimestamp=draw(times),
        ServerTimestamp=draw(times),
        ServerPicoseconds=draw(st.sampled_from([None, 9])),
    )


def response(values: list[ua.DataValue], *, handles: list[int] | None = None) -> ua.PublishResponse:
    found = ua.PublishResponse()
    found.Parameters.SubscriptionId = 77
    found.Parameters.AvailableSequenceNumbers = [4, 5]
    found.Parameters.NotificationMessage.SequenceNumber = 5
    items = [
        ua.MonitoredItemNotification(handle, value)
        for handle, value in zip(handles or range(len(values)), values, strict=True)
    ]
    if items:
        found.Parameters.NotificationMessage.NotificationData = [ua.DataChangeNotification(MonitoredItems=items)]
    return found


def comparable(found: decode.Publication) -> tuple[object, ...]:
    values = found.values
    bits = [struct.pack("<d", value) if not math.isnan(value) else b"nan" for value in values.value]
    columns = (values.handle, values.time_us, bits, values.status, values.server_time_us, values.refused)
    return (found.subscription, found.sequence, found.keep_alive, found.ended, *map(list, columns))


def assert_same(made: ua.PublishResponse, elements: dict[int, int]) -> None:
    data = struct_to_binary(made)
    ours = publication(data, NOW_US, elements)
    # What was encoded is read back by the library first, so that both begin with what is in the bytes.
    again = decode.struct_from_binary(ua.PublishResponse, decode.Buffer(data)).Parameters
    theirs = from_message(again.SubscriptionId, again.NotificationMessage, NOW_US, elements)
    assert comparable(ours) == comparable(theirs)


@PATIENT
@given(st.lists(data_values(), max_size=8), st.dictionaries(st.integers(0, 7), st.integers(0, 2), max_size=2))
def test_any_mixture_of_values_is_read_as_the_library_reads_it(values, elements):
    assert_same(response(values), elements)


@PATIENT
@given(st.lists(data_values(doubles), min_size=1, max_size=6), st.integers(1, 4))
def test_runs_of_alike_values_are_read_as_the_library_reads_them(values, times_each):
    repeated = [value for value in values for _ in range(times_each)]
    assert_same(response(repeated), {})


def test_picoseconds_of_the_source_do_not_garble_the_server_s_time():
    """They stand before the server's time (Part 6, 5.2.2.17), where the library does not look for them."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    plain = struct_to_binary(response([ua.DataValue(ua.Variant(1.0), ua.StatusCode(0), moment, moment)]))
    ticks = struct.pack("<q", (NOW_US + 11_644_473_600_000_000) * 10)
    at = plain.index(ticks + ticks)
    length_at = plain.index(decode.DATA_CHANGE) + 5
    body = bytearray(plain[:at] + ticks + struct.pack("<H", 477) + ticks + plain[at + 16 :])
    body[plain.index(b"\x0f\x0b")] |= 0x10
    body[length_at : length_at + 4] = struct.pack("<i", struct.unpack_from("<i", plain, length_at)[0] + 2)
    found = publication(bytes(body), NOW_US, {}).values
    assert (found.value, found.time_us, found.server_time_us) == ([1.0], [NOW_US], [NOW_US])
    later = datetime(2030, 1, 1, tzinfo=UTC)
    misread = ua.DataValue(ua.Variant(1.0), ua.StatusCode(0), moment, later, SourcePicoseconds=477)
    message = response([misread]).Parameters.NotificationMessage
    assert from_message(7, message, NOW_US, {}).values.server_time_us == [NOW_US]


def test_alike_values_need_no_library(monkeypatch):
    """The point of it: a message of plain numbers never reaches the slow decoder."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    values = [
        ua.DataValue(ua.Variant(float(n), kind), ua.StatusCode(0), moment, moment)
        for kind in (ua.VariantType.Double, ua.VariantType.Float)
        for n in range(50)
    ]
    data = struct_to_binary(response(values))
    monkeypatch.setattr(decode, "struct_from_binary", None)
    found = publication(data, NOW_US, {})
    assert found.values.value == [float(n) for n in range(50)] * 2
    assert set(found.values.time_us) == {NOW_US}


def test_a_keep_alive_and_the_end_of_a_subscription_are_told_apart():
    assert publication(struct_to_binary(response([])), NOW_US, {}).keep_alive
    ending = response([])
    status = ua.StatusChangeNotification(Status=ua.StatusCode(ua.StatusCodes.BadTimeout))
    ending.Parameters.NotificationMessage.NotificationData = [status]
    found = publication(struct_to_binary(ending), NOW_US, {})
    assert (found.keep_alive, found.ended) == (False, "BadTimeout")


def test_a_message_that_is_cut_short_anywhere_is_undecodable_and_nothing_else():
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    whole = struct_to_binary(response([ua.DataValue(ua.Variant(1.0), ua.StatusCode(0), moment, moment)] * 5))
    behind = 3 * 4  # bytes: how many diagnostics of values, results and diagnostics there are, which nobody reads
    for cut_at in range(len(whole) - behind):
        with pytest.raises(UndecodableError):
            publication(whole[:cut_at], NOW_US, {})


def history_response(values: list[ua.DataValue], continuation: bytes | None = None) -> ua.HistoryReadResponse:
    result = ua.HistoryReadResult(ContinuationPoint=continuation, HistoryData=ua.HistoryData(DataValues=values))
    return ua.HistoryReadResponse(Results=[result])


@PATIENT
@given(st.lists(data_values(), max_size=6), st.sampled_from([None, b"", b"further on"]))
def test_a_page_of_history_is_read_as_the_library_reads_it_or_left_to_it(values, continuation):
    data = struct_to_binary(history_response(values, continuation))
    (result,) = decode.struct_from_binary(ua.HistoryReadResponse, decode.Buffer(data)).Results
    items = [ua.MonitoredItemNotification(0, value) for value in result.HistoryData.DataValues]
    theirs = decode.values_of(items, NOW_US, {})
    ours = decode.history(data, NOW_US)
    if ours is not None:
        found = [decode.Publication(1, 1, keep_alive=False, values=one) for one in (ours[1], theirs)]
        assert comparable(found[0]) == comparable(found[1])
        assert ours[0] == (continuation or b"")


def test_only_one_good_result_in_whole_bytes_is_decoded_fast():
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    values = [ua.DataValue(ua.Variant(float(n)), ua.StatusCode(0), moment, moment) for n in range(5)]
    data = struct_to_binary(history_response(values))
    found = decode.history(data, NOW_US)
    assert found is not None
    assert found[1].value == [0.0, 1.0, 2.0, 3.0, 4.0]
    two, bad, refused = history_response(values), history_response(values), history_response(values)
    two.Results *= 2
    bad.Results[0].StatusCode = ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)
    refused.ResponseHeader.ServiceResult = ua.StatusCode(ua.StatusCodes.BadServiceUnsupported)
    for other in (two, bad, refused):
        assert decode.history(struct_to_binary(other), NOW_US) is None
    assert all(decode.history(data[:end], NOW_US) is None for end in range(len(data) - 4))


@pytest.mark.parametrize("length", [-9, -1, 0, 3])
def test_a_message_whose_parts_lead_back_to_themselves_is_undecodable_and_not_read_for_ever(length):
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    whole = struct_to_binary(response([ua.DataValue(ua.Variant(1.0), ua.StatusCode(0), moment, moment)]))
    at = whole.index(decode.DATA_CHANGE)
    endless = whole[: at - 4] + struct.pack("<i", 1_000) + decode.DATA_CHANGE + struct.pack("<Bii", 1, length, 0)
    with pytest.raises(UndecodableError):
        publication(endless, NOW_US, {})
