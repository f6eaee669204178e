"""The keys of a drop folder of CSV files and of the points in its columns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

from edge_agent.config.base import KIND, Problems, Strict
from edge_agent.config.point import PointConfig

EVENING = datetime(2026, 3, 21, 20, 45, tzinfo=UTC)  # a time of which no part can be taken for another


class CsvPointConfig(PointConfig, frozen=True, kw_only=True):
    """A column of the file; with `where`, only in rows in which other columns hold these texts."""

    column: str = ""
    where: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it

    @property
    def address(self) -> str:
        """The column, and what selects its rows."""
        conditions = ",".join(f"{column}={text}" for column, text in self.where.items())
        return f"{self.column}[{conditions}]" if conditions else self.column


class CsvSourceConfig(Strict, frozen=True, kw_only=True, tag_field=KIND, tag="files"):
    """A folder into which people drop files of one layout.

    time: the column of the reading's time, or several that are joined by a space; time_format: as strptime takes it,
    RFC 3339 where empty; time_zone: of times without an offset.
    """

    PATHS: ClassVar[tuple[str, ...]] = ("files",)

    files: str
    points: dict[str, CsvPointConfig]
    time: str | tuple[str, ...]
    time_format: str = ""
    time_zone: str = ""
    pattern: str = "*.csv"
    delimiter: str = ","
    encoding: Literal["auto", "utf-8", "gb18030"] = "auto"

    @property
    def endpoint(self) -> str:
        """The folder."""
        return self.files

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that make up the time, in order."""
        return (self.time,) if isinstance(self.time, str) else self.time


def source_problems(place: str, source: CsvSourceConfig) -> Problems:
    """What is wrong with the folder and the layout; reads no file."""
    folder = Path(source.files)
    if not folder.is_dir():
        yield f"{place}.files", f"there is no folder {folder}; make it with: mkdir -p {folder}"
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield f"{place}.files", f"the agent must be able to read {folder} and to move files in it"
    if not source.time_columns or not all(source.time_columns):
        yield f"{place}.time", "name the column of the time, or a list of columns such as [日期, 时间]"
    if len(source.delimiter) != 1 or source.delimiter in '"\r\n':
        yield f"{place}.delimiter", 'write one character, such as "," or ";" or "\\t"'
    if not source.pattern or "/" in source.pattern:
        yield f"{place}.pattern", "write a pattern of file names without folders, such as *.csv"
    yield from _time_problems(place, source)
    for name, point in source.points.items():
        if not point.column:
            yield f"{place}.points.{name}.column", "name the column of the value"


def shared_folder_problems(sources: Mapping[str, object]) -> Problems:
    """Sources that would take each other's files away."""
    owners: dict[tuple[Path, str], str] = {}
    for name, source in sources.items():
        if isinstance(source, CsvSourceConfig):
            owner = owners.setdefault((Path(source.files).resolve(), source.pattern), name)
            if owner != name:
                yield f"sources.{name}.files", f"sources.{owner} takes these files away; name another folder or pattern"


def _time_problems(place: str, source: CsvSourceConfig) -> Problems:
    if source.time_zone:
        try:
            ZoneInfo(source.time_zone)
        except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            yield f"{place}.time_zone", f"{source.time_zone!r} is no time zone; write for example Asia/Shanghai"
    if source.time_format:
        try:
            read_back = datetime.strptime(EVENING.strftime(source.time_format), source.time_format)  # noqa: DTZ007 - compared by its parts
        except ValueError as err:
            yield f"{place}.time_format", f"{source.time_format!r} cannot be read back ({err}); write such as %Y-%m-%d"
        else:
            if read_back.date() != EVENING.date() or read_back.hour not in (0, EVENING.hour):
                read = f"reads {EVENING:%Y-%m-%d %H:%M} as {read_back:%Y-%m-%d %H:%M}"
                mend = "have year, month and day in it, and %p beside %I"
                yield f"{place}.time_format", f"{source.time_format!r} {read}; {mend}"
        if "%z" not in source.time_format and not source.time_zone:
            yield f"{place}.time_zone", "times of this format have no offset; name their zone, such as Asia/Shanghai"
