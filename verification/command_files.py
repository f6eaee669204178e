"""Files as the room's commands take them: plans, tables, and what they write; every refusal is one plain line.

Only the commands import this: nothing else in this room touches a disk.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verification.progress import Advance, untold

if TYPE_CHECKING:
    from verification.plan import Plan
    from verification.table.read import Table

LONG_WORK_BYTES = 16 << 20  # a table of this size takes a second or more
READ_STEPS = 3  # of reading a table: its bytes, its cells, its values
EXIT_USAGE = 64  # EX_USAGE of sysexits.h
EXIT_INVALID_DATA = 3
FILE = click.Path(path_type=Path)


class Number(click.FloatRange):
    """A number within bounds; click alone lets `nan` pass any bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """The number. Fails as click does."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


class UnusableFileError(click.ClickException):
    """A plan that cannot be used, or a file that cannot be read or written."""

    exit_code = EXIT_USAGE


class UnusableTableError(click.ClickException):
    """A file that is there, but whose content is no table of readings: a fault of the data, not of the call."""

    exit_code = EXIT_INVALID_DATA


def read_plan(path: Path) -> tuple[Plan, str]:
    """The plan at `path`, checked, and its digest."""
    from verification.errors import ConfigError  # noqa: PLC0415 - pint takes a quarter of a second
    from verification.plan import parse_plan, plan_digest  # noqa: PLC0415
    from verification.yamlfile import MAX_FILE_BYTES  # noqa: PLC0415

    data = read_file(path, MAX_FILE_BYTES)
    try:
        return parse_plan(data, name=str(path)), plan_digest(data)
    except ConfigError as err:
        raise UnusableFileError(str(err)) from err


@contextlib.contextmanager
def progress(path: Path, steps: int) -> Iterator[Advance]:
    """What to call after each of `steps` of the work on the table at `path`, the first of which are to read it: a bar
    on a terminal, elsewhere a line for reading and one for computing; of a small table nothing is said.
    """
    size = _size_of(path)
    if size < LONG_WORK_BYTES:
        yield untold
    elif not sys.stderr.isatty():
        yield _in_lines(f"{path}: {size >> 20} MB")
    else:
        with click.progressbar(length=steps, label=f"{path.name}, {size >> 20} MB", file=sys.stderr) as bar:
            yield functools.partial(bar.update, 1)


def _size_of(path: Path) -> int:
    """The bytes of a file; 0 of what is none or cannot be looked at, as who reads it will say."""
    try:
        about = path.stat()
    except OSError:
        return 0
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def _in_lines(about: str) -> Advance:
    steps = itertools.count(1)
    click.echo(f"{about}, reading / 正在读取 ...", err=True)

    def advance() -> None:
        if next(steps) == READ_STEPS:
            click.echo(f"{about}, computing / 正在计算 ...", err=True)

    return advance


def read_readings(path: Path, plan: Plan, advance: Advance = untold) -> Table:
    """The table of readings at `path`, in READ_STEPS."""
    from verification.errors import FormatError  # noqa: PLC0415
    from verification.table.read import MAX_TABLE_BYTES, read_table  # noqa: PLC0415 - brings numpy

    data = read_file(path, MAX_TABLE_BYTES)
    advance()
    try:
        return read_table(data, plan, name=str(path), advance=advance)
    except FormatError as err:
        raise UnusableTableError(f"{err} [{err.code}]") from err


def read_file(path: Path, limit: int) -> bytes:
    """The file's bytes, one past `limit` at most, so that the reader can refuse what is too long."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be read: {err.strerror or err}") from err


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written, before long work is done for it; a file that is there stays as it is."""
    folder = path.parent
    if path.is_dir():
        raise UnusableFileError(f"{path}: cannot be written: it is a folder; name a file")
    if not folder.is_dir():
        raise UnusableFileError(f"{path}: cannot be written: there is no folder {folder}; make it first")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UnusableFileError(f"{path}: cannot be written: permission denied; choose another place")


def make_folder(path: Path) -> None:
    """Make a folder that files can be put into, where it is not there yet."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be made: {err.strerror or err}") from err
    if not os.access(path, os.W_OK | os.X_OK):
        raise UnusableFileError(f"{path}: cannot be written into: permission denied; choose another place")


def write_file(path: Path, content: bytes, *, new: bool = False) -> None:
    """Write all of `content`; a `new` file must not be there yet."""
    try:
        with path.open("xb" if new else "wb") as file:
            file.write(content)
    except FileExistsError as err:
        raise UnusableFileError(f"{path}: is there already; choose another name") from err
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be written: {err.strerror or err}") from err
