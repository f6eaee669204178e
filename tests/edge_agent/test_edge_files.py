"""The drop folder: a file is read once and whole, or not at all with every mistake named by line and column."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from edge_agent.config.csvfile import CsvPointConfig, CsvSourceConfig
from edge_agent.sources import csvfile
from edge_agent.sources import files as files_module
from edge_agent.sources.files import FileSource
from edge_agent.spool import Spool
from edge_agent.spool_model import Limits
from edge_agent.spool_recovery import open_spool
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import PointStatus, SourceStatus
from tests.edge_agent.spools import KEY
from tests.edge_agent.support import AgentProcess, wait_for
from verification.batch import Catalogue, ManualFile
from verification.model import Point, PointKind, RowFlag, Rows

ROSTER = "日期,班次,人数,备注\n2026-03-01,早班,62,\n2026-03-01,夜班,41,小李请假\n2026-03-02,早班,,停产\n"
EARLY, NIGHT = {"班次": "早班"}, {"班次": "夜班"}


def layout(**changes: object) -> CsvSourceConfig:
    points = {
        "early": CsvPointConfig(unit="heads", kind=PointKind.GAUGE, column="人数", where=EARLY),
        "night": CsvPointConfig(unit="heads", kind=PointKind.GAUGE, column="人数", where=NIGHT),
    }
    named = {"files": "drop", "points": points, "time": "日期", "time_format": "%Y-%m-%d", "time_zone": "Asia/Shanghai"}
    return CsvSourceConfig(**(named | changes))


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def problems(text: str | bytes, **changes: object) -> list[tuple[int, str, str]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [(line, column, english) for line, column, english, _ in csvfile.read(data, layout(**changes)).problems]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_a_roster_is_read_in_any_encoding_that_excel_writes(encoding):
    table = csvfile.read(ROSTER.encode(encoding), layout())
    first = us("2026-03-01T00:00:00+08:00")
    assert (table.readings, table.problems) == ([("early", first, 62.0), ("night", first, 41.0)], [])


def test_quoted_cells_other_delimiters_times_in_two_columns_and_grouped_digits():
    text = 'day;hour;kWh\r\n2026-03-01;08:30;"1,234,567.5"\r\n\r\n2026-03-01;9:05; -12 \r\n'
    points = {"energy": CsvPointConfig(unit="kWh", kind=PointKind.COUNTER, column="kWh")}
    config = layout(points=points, time=("day", "hour"), time_format="%Y-%m-%d %H:%M", delimiter=";")
    assert csvfile.read(text.encode(), config).readings == [
        ("energy", us("2026-03-01T08:30:00+08:00"), 1_234_567.5),
        ("energy", us("2026-03-01T09:05:00+08:00"), -12.0),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "日期,班次,人数\n2026-03-01,早班,many\n2026-13-01,夜班,41\n",
            [(2, "人数", "not a number"), (3, "日期", "not a time like")],
        ),
        ("日期,班次,人数\n2026-03-01,早班,6O\n", [(2, "人数", "not a number: '6O'")]),
        ("日期,班次,人数\n2026-03-01,早班,1,234\n", [(2, "", "4 cells; the first line has 3")]),
        ('日期,班次,人数\n2026-03-01,早班,"12,34"\n', [(2, "人数", "not a number")]),
        ("日期,班次,人数\n2026-03-01,早班,inf\n", [(2, "人数", "not a number")]),
        ("日期,班次,人数\n2026-03-01,早班,1e999\n", [(2, "人数", "not a number")]),
        ("日期,班次,人数\n2026-03-01,早班\n", [(2, "", "2 cells")]),
        ("日期,班次\n2026-03-01,早班\n", [(1, "人数", "there is no such column; there are: 日期, 班次")]),
        ("日期,班次,人数,人数\n2026-03-01,早班,1,2\n", [(1, "人数", "several columns")]),
        ('日期,班次,人数\n2026-03-01,早班,"1\n', [(2, "", "not well-formed CSV")]),
        ("日期,班次,人数\n", [(0, "", "not a single value")]),
        ("", [(0, "", "not a single value")]),
        (b"PK\x03\x04\x00\x00", [(0, "", "save it as CSV")]),
        (b"\xff\xff\xff", [(0, "", "save it as CSV")]),
        (bytes(csvfile.MAX_FILE_BYTES + 1), [(0, "", "bytes; at most")]),
    ],
)
def test_every_mistake_is_named_with_line_and_column(text, expected):
    found = problems(text)
    assert [(line, column) for line, column, _ in found] == [(line, column) for line, column, _ in expected]
    for (_, _, english), (_, _, message) in zip(found, expected, strict=True):
        assert message in english


def test_a_time_that_the_clocks_show_twice_or_never_is_refused_and_one_with_offset_is_not():
    points = {"early": CsvPointConfig(unit="heads", kind=PointKind.GAUGE, column="n")}
    options = {"points": points, "time": "t", "time_format": "", "time_zone": "Europe/Berlin"}
    for moment in ("2026-10-25T02:30:00", "2026-03-29T02:30:00"):
        assert "write the time with its offset" in problems(f"t,n\n{moment},1\n", **options)[0][2]
    assert problems("t,n\n2026-10-25T02:30:00+01:00,1\n", **options) == []
    assert "without an offset" in problems("t,n\n2026-10-25T12:00:00,1\n", **options | {"time_zone": ""})[0][2]


def test_the_mistakes_of_a_hopeless_file_are_bounded():
    assert len(problems("日期,班次,人数\n" + "2026-03-01,早班,x\n" * 500)) == csvfile.MAX_PROBLEMS


# ---- the folder


@pytest.fixture
def agent(make_agent: Callable[..., AgentProcess]) -> AgentProcess:
    """Watches its folder `drop`; not started yet."""
    points = {
        "early": {"column": "人数", "where": EARLY, "unit": "heads", "kind": "gauge"},
        "night": {"column": "人数", "where": NIGHT, "unit": "heads", "kind": "gauge"},
    }
    office = {
        "files": "drop",
        "time": "日期",
        "time_format": "%Y-%m-%d",
        "time_zone": "Asia/Shanghai",
        "points": points,
    }
    made = make_agent(sources={"office": office})
    (made.folder / "drop").mkdir()
    made.ingest.start()
    return made


def drop(agent: AgentProcess, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = agent.folder / "drop" / name
    path.write_text(text, encoding)
    return path


def office(agent: AgentProcess) -> SourceStatus:
    return agent.status().sources["office"]


def files(agent: AgentProcess, where: str) -> list[str]:
    return sorted(path.name for path in (agent.folder / "drop" / where).glob("*"))


def roster(day: int, heads: int) -> str:
    return f"日期,班次,人数\n2026-03-{day:02},早班,{heads}\n2026-03-{day:02},夜班,{heads + 100}\n"


def test_a_file_is_read_once_signed_for_flagged_manual_and_moved_aside(agent):
    agent.start()
    path = drop(agent, "三月.csv", ROSTER, "gbk")
    sha256 = hashlib.sha256(path.read_bytes()).digest()
    wait_for(lambda: files(agent, "done") == ["三月.csv"], "the file is moved")
    wait_for(lambda: len(agent.ingest.rows()) == 2, "its rows")
    assert {flags for *_, flags in agent.ingest.flagged_rows()} == {RowFlag.MANUAL}
    statements = [p.files for p in agent.ingest.payloads() if isinstance(p, Catalogue) and p.files]
    assert statements == [(ManualFile("office", "三月.csv", sha256, 2),)]
    drop(agent, "again.csv", ROSTER, "gbk")
    wait_for(lambda: "again.csv" in files(agent, "done"), "the same content under another name is moved")
    drop(agent, "三月.csv", roster(9, 60))
    wait_for(lambda: len(agent.ingest.rows()) == 4, "another content under the same name is read")
    wait_for(lambda: len(files(agent, "done")) == 3, "and kept beside the first")
    assert office(agent).doubles == 1


def test_a_bad_file_gives_no_reading_and_is_refused_with_line_and_column_in_both_languages(agent):
    agent.start()
    drop(agent, "bad.csv", roster(1, 5) + "2026-03-04,早班,5O\n")
    drop(agent, "good.csv", roster(2, 6))
    wait_for(lambda: files(agent, "refused") == ["bad.csv", "bad.csv.error.txt"], "the bad file is set aside")
    wait_for(lambda: len(agent.ingest.rows()) == 2, "the good file is read all the same")
    told = (agent.folder / "drop" / "refused" / "bad.csv.error.txt").read_text("utf-8-sig")
    assert "line 4, column 人数: not a number: '5O'" in told
    assert "第 4 行，“人数”列：不是数字：'5O'" in told
    wait_for(lambda: "bad.csv, line 4" in office(agent).message or office(agent).bad == 1, "the status counts it")
    drop(agent, "bad.csv", roster(1, 5) + "2026-03-04,早班,50\n")
    wait_for(lambda: len(agent.ingest.rows()) == 5, "the mended file is read")


def test_a_crash_between_the_commit_and_the_move_reads_nothing_twice(agent):
    path = drop(agent, "roster.csv", roster(1, 5))
    spool = open_spool(agent.folder / "spool.sqlite", agent.device, agent.key, Limits())
    addresses = {"early": "人数[班次=早班]", "night": "人数[班次=夜班]"}
    named = [Point(name, address, "heads", PointKind.GAUGE) for name, address in addresses.items()]
    spool.catalogue(named)
    rows = Rows.empty()
    for index, value in enumerate((5.0, 105.0)):
        rows.append(index, us("2026-03-01T00:00:00+08:00"), value, flags=RowFlag.MANUAL)
    spool.append(rows, file=ManualFile("office", path.name, hashlib.sha256(path.read_bytes()).digest(), 2))
    spool.close()
    agent.start()
    wait_for(lambda: files(agent, "done") == ["roster.csv"], "the known file is moved")
    drop(agent, "next.csv", roster(2, 6))
    wait_for(lambda: len(agent.ingest.rows()) >= 4, "the rows of both")
    assert sorted(value for _, _, value in agent.ingest.rows()) == [5.0, 6.0, 105.0, 106.0]


def test_a_killed_agent_reads_every_file_once(agent):
    agent.start()
    for day in range(1, 29):
        drop(agent, f"{day:02}.csv", roster(day, day))
        if day in {9, 18}:
            wait_for(lambda day=day: len(files(agent, "done")) >= day // 9, "some files are moved")
            agent.kill()
            agent.start()
    wait_for(lambda: len(files(agent, "done")) == 28, "every file is moved")
    wait_for(lambda: len(agent.ingest.rows()) >= 56, "every row")
    assert Counter(value for _, _, value in agent.ingest.rows()) == Counter(
        float(value) for day in range(1, 29) for value in (day, day + 100)
    )


def test_what_is_still_being_written_or_not_meant_is_left_alone(agent):
    agent.start()
    drop(agent, "~$roster.csv", "half")
    drop(agent, "roster.txt", "not ours")
    (agent.folder / "drop" / "link.csv").symlink_to(agent.folder / "edge.key")
    drop(agent, "roster.csv", roster(1, 5))
    wait_for(lambda: files(agent, "done") == ["roster.csv"], "the one file")
    assert (agent.folder / "edge.key").exists()
    assert files(agent, "refused") == []


def test_a_file_whose_name_is_no_text_is_read_and_named_by_what_can_be_read_of_it(agent):
    agent.start()
    for name, text in (("三月.csv", roster(1, 5)), ("四月.csv", "日期,班次,人数\n2026-04-01,早班,6O\n")):
        path = bytes(agent.folder / "drop") + b"/" + name.encode("gbk")  # as an archive from an older Windows unpacks
        Path(os.fsdecode(path)).write_text(text, "utf-8")
    wait_for(lambda: len(agent.ingest.rows()) == 2, "its rows")
    wait_for(lambda: len(files(agent, "refused")) == 2, "the bad one is set aside")
    (statement,) = [p.files[0] for p in agent.ingest.payloads() if isinstance(p, Catalogue) and p.files]
    assert statement.name == "\\xc8\\xfd\\xd4\\xc2.csv"
    wait_for(lambda: "\\xd4\\xc2.csv, line 2" in office(agent).message, "the status says what is wrong")


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FileSource]]:
    """Makes sources in this process, each with a folder `drop` of its own to look into."""
    monkeypatch.setattr(files_module, "LOOK_EVERY_S", 0.01)
    spool = SpoolThread(lambda: open_spool(tmp_path / "spool.sqlite", "device-1", KEY, Limits()))

    def make(name: str = "office", **changes: object) -> FileSource:
        folder = tmp_path / name / "drop"
        folder.mkdir(parents=True)
        config = layout(files=str(folder), **changes)
        points = [Point(f"{name}.{key}", one.address, one.unit, one.kind) for key, one in config.points.items()]
        indices = asyncio.run(spool.call(Spool.catalogue, points))
        return FileSource(
            name,
            config,
            {key: indices[f"{name}.{key}"] for key in config.points},
            spool,
            SourceStatus("files", str(folder), {key: PointStatus(one.address) for key, one in config.points.items()}),
        )

    yield make
    spool.close()


def look(source: FileSource, *, times: int = 2) -> None:
    """A file must stand still from one look to the next to be taken."""

    async def looks() -> None:
        for _ in range(times):
            await source._look()

    asyncio.run(looks())


def kept(source: FileSource) -> int:
    return asyncio.run(source._spool.call(Spool.depth)).open_rows


def test_a_file_that_cannot_be_read_keeps_no_other_waiting(watch, monkeypatch):
    source = watch()
    (source._folder / "a.csv").write_text(roster(1, 5), "utf-8")
    (source._folder / "b.csv").write_text(roster(2, 6), "utf-8")
    read = files_module.contents

    def held_open(path: Path) -> bytes:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(files_module, "contents", held_open)
    look(source)
    assert kept(source) == 2
    assert "a.csv: [Errno 13] Permission denied" in source._status.message
    assert "is it open elsewhere, may the agent read and move it?" in source._status.message
    monkeypatch.setattr(files_module, "contents", read)
    look(source)
    assert (kept(source), source._status.message) == (4, "")


def test_a_file_that_somebody_begins_to_write_again_while_it_is_read_is_read_once_it_is_whole(watch, monkeypatch):
    source = watch()
    path = source._folder / "a.csv"
    path.write_text(roster(1, 5), "utf-8")
    read = files_module.contents

    def half(path: Path) -> bytes:
        path.write_text(roster(1, 50)[:40], "utf-8")
        return read(path)

    monkeypatch.setattr(files_module, "contents", half)
    look(source)
    assert (kept(source), path.exists()) == (0, True)
    monkeypatch.setattr(files_module, "contents", read)
    path.write_text(roster(1, 50), "utf-8")
    look(source)
    assert (kept(source), path.exists()) == (2, False)


def test_a_file_that_the_spool_can_never_hold_is_refused_with_what_to_do_and_keeps_no_other_waiting(watch):
    source = watch()
    asyncio.run(source._spool.call(Spool.set_limits, Limits(max_bytes=1 << 20)))
    lines = "".join(f"2026-03-01,早班,{number}\n" for number in range(30_000))
    (source._folder / "a.csv").write_text(f"日期,班次,人数\n{lines}", "utf-8")
    (source._folder / "b.csv").write_text(ROSTER, "utf-8")
    look(source)
    assert kept(source) == 2
    told = (source._folder / "refused" / "a.csv.error.txt").read_text("utf-8-sig")
    assert "too many for a spool of 1048576 bytes (spool.max_bytes); enlarge it, or part the file" in told
    assert "请拆分文件" in told


def test_two_sources_read_a_file_of_the_same_content_each_for_its_own_points(watch):
    sources = [watch(), watch("yard")]
    for source in sources:
        (source._folder / "march.csv").write_text(ROSTER, "utf-8")
        look(source)
    assert kept(sources[0]) == 4
    assert [source._status.doubles for source in sources] == [0, 0]


def test_what_an_earlier_release_has_read_is_not_read_again(watch):
    source = watch()
    (source._folder / "march.csv").write_text(ROSTER, "utf-8")
    sha256 = hashlib.sha256(ROSTER.encode()).digest()

    def as_before(spool: Spool) -> None:
        spool._db.execute("DROP TABLE file_taken")
        spool._db.execute("CREATE TABLE file_read (sha256 BLOB PRIMARY KEY, read_us INTEGER NOT NULL) STRICT")
        spool._db.execute("INSERT INTO file_read VALUES (?, 1)", (sha256,))
        Spool.__init__(spool, spool._db, KEY, Limits(), spool._reserve)

    asyncio.run(source._spool.call(as_before))
    look(source)
    assert (kept(source), source._status.doubles) == (0, 1)
    assert (source._folder / "done" / "march.csv").exists()


def test_a_folder_that_is_gone_is_said_and_used_again_once_it_is_back(watch):
    source = watch()
    source._folder.rename(source._folder.with_name("away"))

    async def run_for_a_moment() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await source.run()

    asyncio.run(run_for_a_moment())
    assert source._status.state == "disconnected"
    assert "is the folder there" in source._status.message
    source._folder.with_name("away").rename(source._folder)
    (source._folder / "march.csv").write_text(ROSTER, "utf-8")
    asyncio.run(run_for_a_moment())
    assert (source._status.state, source._status.message, kept(source)) == ("connected", "", 2)
