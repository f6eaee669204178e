"""Reads CSV files that people drop into a folder: shift rosters, production logs, bills.

A file is taken once it has stopped growing, read as a whole, and known to its source by its SHA-256 from then on: the
spool keeps its rows, flagged as manual, and a signed statement about the file in one transaction. After that the file
is moved into `done`; one that cannot be read goes into `refused` with an `.error.txt` beside it that names line and
column. A crash between the commit and the move leaves a known file in the folder, which is only moved. Nothing is ever
deleted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.sources import csvfile
from edge_agent.sources.csvfile import Problem, Table
from edge_agent.spool import Spool
from edge_agent.spool_model import SpoolFullError, TooLargeError
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.batch import ManualFile
from verification.model import MAX_TEXT_CHARS, RowFlag, Rows

LOOK_EVERY_S = 1.0
DONE, REFUSED = "done", "refused"
TEMPORARY = ("~", ".", "#")  # how programs begin the names of files that they have not finished

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it stood at one look; the same at the next means that nobody writes to it any more."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Seen:
        """As its `lstat` says."""
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns)


class FileSource:
    """`run` for as long as the agent lives."""

    def __init__(
        self, name: str, config: CsvSourceConfig, indices: dict[str, int], spool: SpoolThread, status: SourceStatus
    ) -> None:
        self._name = name
        self._config = config
        self._indices = indices
        self._spool = spool
        self._status = status
        self._folder = Path(config.files)
        self._seen: dict[Path, Seen] = {}
        self._refusal = ""  # why the last file was refused, until the next is read
        self._trouble = ""

    async def run(self) -> None:
        """Look into the folder again and again; never returns."""
        self._status.connects = 1
        while True:
            try:
                await self._look()
            except OSError as err:
                self._warn(f"{err}; is the folder there, may the agent read it and move files in it?")
                self._status.now("disconnected", self._trouble)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        """Take the files that stand as they stood at the last look."""
        before, self._seen = self._seen, await asyncio.to_thread(waiting, self._config)
        full, trouble = "", ""
        for path in sorted(path for path, seen in self._seen.items() if before.get(path) == seen):
            try:
                await self._take(path, self._seen[path])
            except SpoolFullError as err:
                full = str(err)
                break
            except OSError as err:  # it is tried again, and keeps no other waiting
                trouble = trouble or f"{name_of(path)}: {err}; is it open elsewhere, may the agent read and move it?"
        self._warn(trouble)
        self._status.now("spool full" if full else "connected", full or trouble or self._refusal)

    def _warn(self, trouble: str) -> None:
        """Log what goes on for many looks once."""
        if trouble and trouble != self._trouble:
            log.warning("files wait: source=%s reason=%r", self._name, trouble)
        self._trouble = trouble

    async def _take(self, path: Path, seen: Seen) -> None:
        """Read a file and keep what it says, unless it was kept before; then move it. Raises SpoolFullError, OSError.

        A file that is another one by now is left for the next look.
        """
        data = await asyncio.to_thread(contents, path)
        if not await asyncio.to_thread(stands, path, seen):
            return
        sha256 = hashlib.sha256(data).digest()
        if await self._spool.call(Spool.has_file, self._name, sha256):
            self._status.doubles += 1
            log.info("a file that was read before: source=%s file=%s", self._name, name_of(path))
        else:
            table = await asyncio.to_thread(csvfile.read, data, self._config)
            if table.problems:
                await self._refuse(path, seen, sha256, table.problems)
                return
            rows = self._rows(table)
            try:
                await self._spool.call(Spool.append, rows, file=statement(self._name, path, sha256, table))
            except TooLargeError as err:
                many = Problem(
                    0, "", f"{err}, or part the file", "数值过多，缓存放不下；请拆分文件或调大 spool.max_bytes"
                )
                await self._refuse(path, seen, sha256, [many])
                return
            self._note(rows)
            named = (name_of(path), len(rows), sha256.hex())
            log.info("a file was read: source=%s file=%s rows=%d sha256=%s", self._name, *named)
        await asyncio.to_thread(self._move, path, seen, DONE, sha256)

    def _rows(self, table: Table) -> Rows:
        rows = Rows.empty()
        for point, time_us, value in table.readings:
            rows.append(self._indices[point], time_us, value, flags=RowFlag.MANUAL)
        return rows

    async def _refuse(self, path: Path, seen: Seen, sha256: bytes, problems: Sequence[Problem]) -> None:
        name = name_of(path)
        self._status.bad += 1
        self._refusal = told(name, problems[0])
        log.warning("a file is refused: source=%s file=%s reason=%r", self._name, name, self._refusal)
        await asyncio.to_thread(self._move, path, seen, REFUSED, sha256, _explanation(name, problems))

    def _move(self, path: Path, seen: Seen, where: str, sha256: bytes, explanation: str = "") -> None:
        """Move a file aside under a name that is free, unless it is another one by now, which is read next time."""
        if not stands(path, seen):
            return
        folder = self._folder / where
        folder.mkdir(exist_ok=True)
        target = folder / path.name
        if target.exists():
            target = folder / f"{path.stem}.{sha256.hex()[:12]}{path.suffix}"
        if explanation:
            target.with_name(f"{target.name}.error.txt").write_text(explanation, "utf-8-sig")
        path.replace(target)

    def _note(self, rows: Rows) -> None:
        names = {index: name for name, index in self._indices.items()}
        for index, time_us, value in zip(rows.point, rows.time_us, rows.value, strict=True):
            point = self._status.points[names[index]]
            point.state = "live"
            point.took(time_us, value, 0)
        self._refusal = ""


def waiting(config: CsvSourceConfig) -> dict[Path, Seen]:
    """The files that lie in the folder to be read, as they stand now. Raises OSError."""
    found = {}
    for path in Path(config.files).iterdir():
        if path.match(config.pattern) and not path.name.startswith(TEMPORARY):
            with suppress(FileNotFoundError):  # somebody took it away just now
                stat = path.lstat()
                if S_ISREG(stat.st_mode):
                    found[path] = Seen.of(stat)
    return found


def stands(path: Path, seen: Seen) -> bool:
    """Whether the file is still as it was seen."""
    return Seen.of(path.lstat()) == seen


def name_of(path: Path) -> str:
    """The file's name as text; bytes in it that are no UTF-8 (an older system's Chinese) stand as escapes."""
    return os.fsencode(path.name).decode(errors="backslashreplace")


def statement(source: str, path: Path, sha256: bytes, table: Table) -> ManualFile:
    """What is signed of a file."""
    return ManualFile(source, name_of(path)[:MAX_TEXT_CHARS], sha256, len(table.readings))


def told(name: str, problem: Problem) -> str:
    """A problem with its place: file, line and column."""
    where = [name]
    if problem.line:
        where.append(f"line {problem.line}")
    if problem.column:
        where.append(f"column {problem.column!r}")
    return f"{', '.join(where)}: {problem.english}"


def contents(path: Path) -> bytes:
    """The file's bytes, or one more than are read of any file."""
    with path.open("rb") as file:
        return file.read(csvfile.MAX_FILE_BYTES + 1)


def previewed(path: Path, config: CsvSourceConfig) -> tuple[bytes, Table] | None:
    """A file's bytes and what they say, for those who only look; None where it was taken away meanwhile."""
    try:
        data = contents(path)
    except FileNotFoundError:
        return None
    except OSError as err:
        return b"", Table(problems=[Problem(0, "", f"cannot be read: {err}", f"无法读取：{err}")])
    return data, csvfile.read(data, config)


def _explanation(name: str, problems: Sequence[Problem]) -> str:
    """What stands in the `.error.txt`: for those who filled the file in."""
    lines = [
        f"{name}: nothing of this file was used. Mend it and put it into the folder again.",
        f"{name}：本文件未被采用。请修改后重新放入文件夹。",
        "",
    ]
    for line, column, english, chinese in problems:
        where = f"line {line}" if line else "the file"
        there = f"第 {line} 行" if line else "整个文件"
        lines += [f"{where}, column {column}: {english}" if column else f"{where}: {english}"]
        lines += [f"{there}，“{column}”列：{chinese}" if column else f"{there}：{chinese}"]
    return "\n".join([*lines, ""])
