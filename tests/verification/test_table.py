"""A plain table becomes readings or a clear refusal, never a guess and never a traceback."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verification.lines import hengkang_plan, with_point
from verification.errors import FormatError
from verification.series.columns import STATUS_BAD, STATUS_UNCERTAIN
from verification.table import read as table_module
from verification.table.read import Table, read_table

PLAN = hengkang_plan()
BERLIN = hengkang_plan(timezone="Europe/Berlin")
HEADER = "point,time,value\n"
ROW = "ac_energy,2026-03-01T00:00:00+08:00,12.5\n"
FIRST_US = 1772294400000000


def read(text: str, plan=PLAN) -> Table:
    return read_table(text.encode(), plan, name="readings.csv")


def found(table: Table) -> dict[str, dict]:
    return {finding.code: finding.data for finding in table.findings}


def times(*texts: str) -> str:
    return HEADER + "".join(f"ac_energy,{text},1\n" for text in texts)


def refusal(data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read_table(data, PLAN, name="readings.csv")
    assert str(caught.value).startswith("readings.csv: ")
    return caught.value


def refusal_code(data: bytes) -> str | None:
    try:
        read_table(data, PLAN)
    except FormatError as err:
        return err.code
    return None


def test_a_long_table():
    table = read(HEADER + ROW + "metal_tapped,2026-03-01T00:15:00+08:00,3\n")
    assert table.readings["ac_energy"].time_us.tolist() == [FIRST_US]
    assert table.readings["ac_energy"].value.tolist() == [12.5]
    assert table.readings["metal_tapped"].time_us.tolist() == [FIRST_US + 900_000_000]
    assert table.findings == []


def test_a_wide_table_leaves_out_empty_cells():
    table = read("time,ac_energy,metal_tapped\n2026-03-01T00:00:00+08:00,12.5,\n2026-03-01T01:00:00+08:00,13.5,1\n")
    assert table.readings["ac_energy"].value.tolist() == [12.5, 13.5]
    assert table.readings["metal_tapped"].time_us.tolist() == [FIRST_US + 3_600_000_000]
    assert table.findings == []


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + ROW,
        (HEADER + ROW).replace("\n", "\r\n"),
        HEADER + ROW + "\n\n",
        "value, time ,point\n12.5,2026-03-01T00:00:00+08:00,ac_energy",
        'point,time,value\n"ac_energy","2026-02-28T16:00:00Z"," 1.25e1 "\n',
        HEADER + ROW.replace("T00:00:00", " 00:00:00.000000"),
    ],
)
def test_the_same_reading_in_other_dress(text: str):
    table = read(text)
    assert table.readings["ac_energy"].time_us.tolist() == [FIRST_US]
    assert table.readings["ac_energy"].value.tolist() == [12.5]
    assert table.findings == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("", 0),
        ("0", 0),
        ("good", 0),
        ("Bad", STATUS_BAD),
        ("uncertain", STATUS_UNCERTAIN),
        ("0x80000000", STATUS_BAD),
        ("2147483648", STATUS_BAD),
        ("4294967296", STATUS_BAD),
        ("no idea", STATUS_BAD),
    ],
)
def test_the_status_of_a_reading(status: str, code: int):
    table = read(f"point,time,value,status\nac_energy,2026-03-01T00:00:00+08:00,1,{status}\n")
    assert table.readings["ac_energy"].status.tolist() == [code]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_a_table_in_chinese_reads_as_chinese_excel_saves_it(encoding: str):
    plan = with_point(PLAN, "ac_energy", column="1#电表 有功电能")
    long = "测点,时间,数值\n1#电表 有功电能,2026-03-01T00:00:00+08:00,12.5\nac_energy,2026-03-01T00:15:00+08:00,13\n"
    wide = "时间,1#电表 有功电能 [counter MWh],备注\n2026-03-01 00:00:00+08:00,0.0125,夜班\n"
    table = read_table(long.encode(encoding), plan)
    assert table.readings["ac_energy"].value.tolist() == [12.5, 13.0]
    assert ("TABLE_IN_GBK" in found(table)) == encoding.startswith("gb")
    table = read_table(wide.encode(encoding), plan)
    assert table.readings["ac_energy"].value.tolist() == [12.5]
    assert found(table)["POINTS_IGNORED"] == {"count": 1, "names": "备注"}


def test_a_wide_table_may_have_a_point_called_value():
    plan = with_point(PLAN, "metal_tapped", column="value")
    text = "time,ac_energy,value\n2026-03-01T00:00:00+08:00,12.5,3\n"
    table = read(text, plan)
    assert {name: series.value.tolist() for name, series in table.readings.items()} == {
        "ac_energy": [12.5],
        "metal_tapped": [3],
    }
    assert "column 'point' is missing" in str(refusal(text.encode()))
    assert "must name the columns, 'time' among them" in str(refusal(text.replace("time", "when").encode()))


def test_a_point_must_not_come_under_two_names():
    plan = with_point(PLAN, "ac_energy", column="电量")
    with pytest.raises(FormatError, match="twice"):
        read_table("time,ac_energy,电量\n".encode(), plan)


def test_what_a_terminal_would_obey_is_not_shown():
    assert "?[31m" in str(refusal(b"time,\x1b[31mred\n"))
    table = read(HEADER + "\x1b[31mred,2026-03-01T00:00:00+08:00,1\n")
    assert found(table)["POINTS_IGNORED"]["names"] == "?[31mred"


# Times.


def test_a_time_without_offset_is_not_guessed():
    table = read(HEADER + "ac_energy,2026-03-01T00:00:00,1\n" + ROW)
    assert found(table)["NAIVE_TIMES"] == {"count": 1, "line": 2, "example": "2026-03-01T00:00:00"}
    assert len(table.readings["ac_energy"]) == 1


def test_every_row_with_the_same_bad_time_counts():
    assert found(read(times("2026-03-01T00:00:00", "2026-03-01T00:00:00")))["NAIVE_TIMES"]["count"] == 2


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "01/03/2026 00:00",
        "2026-02-30T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T00:00:60Z",
        "0001-01-01T00:00:00+08:00",
        "２026-03-01T00:00:00Z",
    ],
)
def test_a_time_that_cannot_be_read_is_named(time: str):
    table = read(times(time, "2026-03-01T00:00:00+08:00"))
    assert found(table)["UNREADABLE_TIMES"]["count"] == 1
    assert len(table.readings["ac_energy"]) == 1


@pytest.mark.parametrize(
    ("plan", "texts", "is_mixed"),
    [
        (PLAN, ["2026-03-01T00:00:00+08:00", "2026-03-01T01:00:00+08:00"], False),
        (PLAN, ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00+00:00"], False),
        (PLAN, ["2026-03-01T00:00:00+09:00", "2026-03-01T01:00:00+09:00"], False),
        (PLAN, ["2026-03-01T00:00:00+08:00", "2026-03-01T01:00:00Z"], True),
        (PLAN, ["2026-03-01T00:00:00+08:00", "2026-03-01T01:00:00+09:00"], True),
        (BERLIN, ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"], False),
        (
            BERLIN,
            ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+01:00", "2026-03-30T03:00:00+02:00"],
            True,
        ),
    ],
)
def test_offsets_may_differ_only_where_the_plan_s_zone_says_so(plan, texts: list[str], *, is_mixed: bool):
    assert ("MIXED_TIME_ZONES" in found(read(times(*texts), plan))) == is_mixed


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    ("offset", "is_read"),
    [
        *[(offset, True) for offset in ("+14:00", "-12:00", "+05:45")],
        *[(offset, False) for offset in ("+14:15", "+23:59", "+99:99", "+08:60", "+24:00", "-15:00")],
    ],
)
def test_an_offset_that_no_clock_has_is_not_read(offset: str, quote: str, *, is_read: bool):
    text = f"point,time,value\n{quote}ac_energy{quote},2026-03-01T00:00:00{offset},1\n"
    table = read_table(text.encode(), PLAN)
    assert ("ac_energy" in table.readings) == is_read
    assert [finding.code for finding in table.findings] == ([] if is_read else ["UNREADABLE_TIMES"])


def test_mixed_zones_name_the_offsets_and_the_line():
    table = read(times("2026-03-01T00:00:00+08:00", "2026-03-01T00:15:00+08:00", "2026-03-01T01:00:00-03:30"))
    assert found(table)["MIXED_TIME_ZONES"] == {
        "offsets": "+08:00, -03:30",
        "timezone": "Asia/Shanghai",
        "line": 4,
    }


# Values and rows.


@pytest.mark.parametrize(
    "value", ["n/a", "1,5x", "NaN", "inf", "-", "1_000", "0x10", "12 kWh", "１２", "1e999", "#REF!"]
)
def test_what_is_no_number_is_named_and_not_used(value: str):
    table = read(HEADER + ROW + f'ac_energy,2026-03-01T00:15:00+08:00,"{value}"\n')
    assert found(table)["NON_NUMERIC_CELLS"] == {"count": 1, "line": 3, "example": value}
    assert len(table.readings["ac_energy"]) == 1


def test_an_empty_value_is_a_missing_reading():
    table = read(HEADER + ROW + "ac_energy,2026-03-01T00:15:00+08:00,\n")
    assert len(table.readings["ac_energy"]) == 1
    assert table.findings == []


def test_rows_of_another_width_are_named():
    table = read(HEADER + "ac_energy,2026-03-01T00:00:00+08:00,1,234.5\n" + ROW + "ac_energy\n")
    assert found(table)["RAGGED_ROWS"] == {"count": 2, "line": 2}
    assert table.readings["ac_energy"].value.tolist() == [12.5]


def test_points_that_the_plan_does_not_know_are_named():
    table = read(HEADER + ROW + "so2,2026-03-01T00:15:00+08:00,3\nambient,2026-03-01T00:15:00+08:00,3\n")
    assert found(table)["POINTS_IGNORED"] == {"count": 2, "names": "ambient, so2"}


def test_disorder_is_named_by_point():
    table = read(times("2026-03-01T02:00:00+08:00", "2026-03-01T01:00:00+08:00", "2026-03-01T03:00:00+08:00"))
    assert found(table)["DISORDER_SORTED"] == {"point": "ac_energy", "count": 1}


def test_points_that_take_turns_are_in_order():
    rows = [f"{point},2026-03-01T0{hour}:00:00+08:00,1\n" for point in ("ac_energy", "metal_tapped") for hour in (1, 2)]
    assert read(HEADER + "".join(rows)).findings == []


# What a table says of its points.


def test_a_source_column_marks_how_a_reading_came():
    rows = [f"ac_energy,2026-03-01T0{hour}:00:00+08:00,1,{source}\n" for hour, source in enumerate(SOURCES)]
    table = read("point,time,value,source\n" + "".join(rows))
    assert table.readings["ac_energy"].flags.tolist() == [0, 0, 1, 2, 2]


SOURCES = ["", "live", "Backfilled", "manual", "who knows"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time,ac_energy [counter MWh]", "2026-03-01T00:00:00+08:00,0.0125"),
        ("time,ac_energy [MWh]", "2026-03-01T00:00:00+08:00,0.0125"),
        ("point,time,value,unit,kind", "ac_energy,2026-03-01T00:00:00+08:00,0.0125,MWh,counter"),
    ],
)
def test_a_declared_unit_is_converted_and_said_so(header: str, row: str):
    table = read(f"{header}\n{row}\n")
    assert table.readings["ac_energy"].value.tolist() == [12.5]
    assert found(table) == {"UNIT_CONVERTED": {"point": "ac_energy", "found": "MWh", "planned": "kWh"}}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("time,ac_energy [gauge]", "KIND_DIFFERS"),
        ("time,ac_energy [t]", "UNIT_DIFFERS"),
        ("time,ac_energy [no unit at all]", "UNIT_DIFFERS"),
        ("time,ac_energy [counter kWh]", None),
    ],
)
def test_a_declaration_that_contradicts_the_plan_is_an_error(header: str, code: str | None):
    findings = read(f"{header}\n2026-03-01T00:00:00+08:00,1\n").findings
    assert [finding.code for finding in findings] == ([code] if code else [])
    assert all(finding.blocks == "invalid_data" for finding in findings)


TIMES = ["2026-03-01T00:00:00+08:00", "2026-03-01T01:00:00Z", "2026-02-30T00:00:00+08:00", "2026-03-01T00:00:00+99:99"]
NUMBERS = ["1", " 2.5", "\u30002", "+5", "1e3", "1e0005", "nan", "1e999"]
CELLS = st.sampled_from(["ac_energy", "x", "", *TIMES, *NUMBERS])


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=8))
def test_a_plain_file_reads_like_a_quoted_one(rows: list[list[str]]):
    plain = HEADER + "".join(",".join(row) + "\n" for row in rows)
    quoted = HEADER + "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)
    assert_alike(read(plain), read(quoted))
    assert_alike(read(plain.replace("\n", "\r\n")), read(quoted))


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8))
def test_a_plain_wide_file_reads_like_a_quoted_one(rows: list[tuple[str, ...]]):
    header = "time,ac_energy,metal_tapped\n"
    plain = header + "".join(",".join(row) + "\n" for row in rows)
    quoted = header + "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)
    assert_alike(read(plain), read(quoted))


def assert_alike(one: Table, other: Table) -> None:
    assert one.findings == other.findings
    assert {name: (series.time_us.tolist(), series.value.tolist()) for name, series in one.readings.items()} == {
        name: (series.time_us.tolist(), series.value.tolist()) for name, series in other.readings.items()
    }


# Files that are no table.


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", "TABLE_EMPTY", "empty"),
        (b" \r\n \n", "TABLE_EMPTY", "empty"),
        (b"\xef\xbb\xbf", "TABLE_COLUMNS", "'time' among them"),
        ((HEADER + ROW).encode("utf-16"), "TABLE_NOT_UTF8", "UTF-16"),
        (b"PK\x03\x04[Content_Types].xml", "TABLE_NOT_UTF8", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "TABLE_NOT_UTF8", "an Excel workbook of 1997-2003"),
        (b"point,time,value\n\xff\xff\xff\xff", "TABLE_NOT_UTF8", "neither"),
        (b"point,value\nac_energy,1\n", "TABLE_COLUMNS", "'time' among them"),
        (b"point,time\n", "TABLE_COLUMNS", "'value' is missing"),
        (b"time,foo\n", "TABLE_COLUMNS", "no column is a point of the plan"),
        (b"ac_energy,metal_tapped\n1,2\n", "TABLE_COLUMNS", "'time' among them"),
        (b"time,ac_energy,status\n", "TABLE_COLUMNS", "no status"),
        (b"time,ac_energy,ac_energy\n", "TABLE_COLUMNS", "twice"),
        (b"point;time;value\n", "TABLE_COLUMNS", "semicolons"),
        (b'point,time,value\n"ac_energy\n', "TABLE_MALFORMED", "not CSV"),
        (b'point,time,value\nac_energy,"' + b"9" * 200_000 + b'",1\n', "TABLE_MALFORMED", "not CSV"),
        (b"PAR1 and then nothing", "TABLE_MALFORMED", "not Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(data: bytes, code: str, message: str):
    error = refusal(data)
    assert error.code == code
    assert message in str(error)


def test_a_table_that_is_too_large_is_refused(monkeypatch):
    data = (HEADER + ROW).encode()
    monkeypatch.setattr(table_module, "MAX_TABLE_BYTES", len(data))
    assert len(read_table(data, PLAN).readings) == 1
    assert refusal(data + b"\n").code == "TABLE_TOO_LARGE"


def test_a_header_without_rows_has_no_readings():
    assert read(HEADER).readings == {}


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_table_or_a_refusal(data: bytes):
    assert refusal_code(HEADER.encode() + data) in {None, "TABLE_MALFORMED", "TABLE_NOT_UTF8"}


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=30))
def test_any_cell_ends_in_a_reading_or_a_finding(time: str, value: str, status: str):
    frame = pd.DataFrame({"point": ["ac_energy"], "time": [time], "value": [value], "status": [status]})
    text = frame.to_csv(index=False, lineterminator="\n")
    if refusal_code(text.encode()) is None:
        table = read(text)
        assert table.readings or table.findings or not value.strip()


# Parquet.


def parquet(frame: pd.DataFrame) -> Table:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return read_table(buffer.getvalue(), PLAN, name="readings.parquet")


MOMENTS = pd.to_datetime(["2026-03-01T00:00:00+08:00", "2026-03-01T00:15:00+08:00"])


def test_a_parquet_table_is_read_like_a_csv():
    values = [0.1 + 0.2, 1e9 + 1e-6]
    table = parquet(pd.DataFrame({"point": ["ac_energy"] * 2, "time": MOMENTS, "value": values}))
    assert table.readings["ac_energy"].time_us.tolist() == [FIRST_US, FIRST_US + 900_000_000]
    assert table.readings["ac_energy"].value.tolist() == values
    assert table.findings == []


def test_a_wide_parquet_table_with_missing_values():
    table = parquet(pd.DataFrame({"time": MOMENTS.astype(str), "ac_energy": [1.5, np.nan], "metal_tapped": [1, 2]}))
    assert table.readings["ac_energy"].value.tolist() == [1.5]
    assert table.readings["metal_tapped"].value.tolist() == [1.0, 2.0]


def test_a_parquet_number_keeps_its_digits_where_others_are_missing():
    frame = pd.DataFrame({"time": MOMENTS, "ac_energy": pd.array([0.1 + 0.2, None], dtype="Float64")})
    assert parquet(frame).readings["ac_energy"].value.tolist() == [0.1 + 0.2]
    assert parquet(frame).findings == []


def test_a_parquet_number_that_is_none_is_named():
    table = parquet(pd.DataFrame({"point": ["ac_energy"] * 2, "time": MOMENTS, "value": [1.0, np.inf]}))
    assert found(table)["NON_NUMERIC_CELLS"]["count"] == 1
    assert table.readings["ac_energy"].value.tolist() == [1.0]


def test_parquet_times_without_a_zone_are_not_guessed():
    table = parquet(pd.DataFrame({"point": ["ac_energy"] * 2, "time": MOMENTS.tz_localize(None), "value": [1.0, 2.0]}))
    assert found(table)["NAIVE_TIMES"]["count"] == 2
    assert table.readings == {}


@pytest.mark.parametrize("moments", [[1_772_294_400_000, 1_772_295_300_000], [1_772_294_400.0, np.nan]])
def test_parquet_times_that_are_numbers_are_not_guessed(moments: list[float]):
    table = parquet(pd.DataFrame({"point": ["ac_energy"] * 2, "time": moments, "value": [1.0, 2.0]}))
    assert table.readings == {}
    [finding] = table.findings
    assert (finding.code, finding.data["count"], finding.data["line"]) == ("UNREADABLE_TIMES", 2, 1)
    assert str(finding.data["example"]).startswith("1772294400")


def test_parquet_times_in_a_column_of_values_are_no_numbers():
    table = parquet(pd.DataFrame({"time": MOMENTS, "ac_energy": MOMENTS, "metal_tapped": [1.0, 2.0]}))
    assert list(table.readings) == ["metal_tapped"]
    assert [finding.code for finding in table.findings] == ["NON_NUMERIC_CELLS"]


def test_a_damaged_parquet_file_is_refused():
    buffer = io.BytesIO()
    pd.DataFrame({"point": ["ac_energy"] * 2, "time": MOMENTS, "value": [1.0, 2.0]}).to_parquet(buffer, index=False)
    data = buffer.getvalue()
    for position in range(4, len(data), 37):
        damaged = data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]
        assert refusal_code(damaged) in {None, "TABLE_MALFORMED", "TABLE_TOO_LARGE", "TABLE_COLUMNS"}


def test_nested_parquet_columns_are_refused():
    buffer = io.BytesIO()
    pd.DataFrame({"time": MOMENTS, "ac_energy": [[1.0], [2.0]]}).to_parquet(buffer, index=False)
    assert "nested" in str(refusal(buffer.getvalue()))
