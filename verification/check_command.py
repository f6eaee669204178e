"""The command `retroproof check PACKAGE`: reads a folder or a .zip from disk, within bounds, and prints the report.

The only part of the check that touches the disk. It follows no symbolic link and opens nothing but regular files.
What the check means is in `check`; imports it when run, so that `--help` is quick.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from verification.command_files import UnusableFileError
from verification.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from verification.evidence.check_report import Report
    from verification.evidence.keyring import TrustedKeys

MAX_TRUST_BYTES = 1 << 20


@click.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option(
    "--trust", type=click.Path(path_type=Path), help="File of keys that you trust: `name ed25519:hex` per line."
)
@click.option(
    "--recompute", is_flag=True, help="Run the engine again on the signed batches (needs retroproof[analysis])."
)
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the reasons."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, in both languages.")
@click.pass_context
def check(
    ctx: click.Context,
    package: Path,
    trust: Path | None,
    lang: Literal["en", "zh"],
    *,
    recompute: bool,
    as_json: bool,
) -> None:
    """Check an evidence package (a folder or a .zip), offline.

    One line per axis, then the reasons. Exit code: 0 verified, 1 refuted, 2 cannot be verified, 64 usage.
    """
    trusted = _read_trust(trust) if trust is not None else None
    report = _check_path(package, trusted, recompute=recompute)
    if as_json:
        click.echo(json.dumps(report.to_builtins(), ensure_ascii=False, indent=2))
    else:
        click.echo(report.text(lang))
    ctx.exit(report.exit_code)


def _check_path(path: Path, trusted: TrustedKeys | None, *, recompute: bool) -> Report:
    from verification.evidence.check import check as check_files  # noqa: PLC0415 - see the module's docstring
    from verification.evidence.check import check_archive, unreadable  # noqa: PLC0415

    try:
        if path.is_dir():
            return check_files(read_folder(path), trusted=trusted, recompute=recompute)
        return check_archive(_read_archive(path), trusted=trusted, recompute=recompute)
    except FormatError as err:
        return unreadable(err)
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be read: {err.strerror or err}") from err
    except RuntimeError as err:  # Python 3.11 and 3.12 say so of links that lead in a circle
        raise UnusableFileError(f"{path}: cannot be read: {err}") from err


def _read_archive(path: Path) -> bytes:
    from verification.evidence.archive import MAX_ARCHIVE_BYTES  # noqa: PLC0415

    data = _read_regular(path.resolve(strict=True), limit=MAX_ARCHIVE_BYTES)
    if data is None:
        raise FormatError("bound_exceeded", f"{path.name}: not a regular file of at most {MAX_ARCHIVE_BYTES} bytes")
    return data


def read_folder(root: Path) -> dict[str, bytes]:
    """Every file below `root`, by its name with forward slashes. Raises FormatError at what a package may not hold."""
    from verification.evidence.package import MAX_TOTAL_BYTES, check_bounds  # noqa: PLC0415

    files: dict[str, bytes] = {}
    total = 0
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(root).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                    check_bounds(len(files) + len(folders), total)
                    continue
                data = _read_regular(Path(entry.path), limit=MAX_TOTAL_BYTES - total)
                if data is None:
                    raise FormatError(
                        "bound_exceeded", f"{name}: a link, a device, or more bytes than a package may hold"
                    )
                files[name] = data
                total += len(data)
                check_bounds(len(files) + len(folders), total)
    return files


def _read_regular(path: Path, *, limit: int) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes, or None where it is anything else. Follows no link."""
    # A link is refused by the open itself, and a pipe does not block it: what was looked at is what is read.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        return None
    with os.fdopen(os.open(path, flags), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > limit:
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def _read_trust(path: Path) -> TrustedKeys:
    from verification.evidence.keyring import parse_trust  # noqa: PLC0415

    try:
        data = _read_regular(path.resolve(strict=True), limit=MAX_TRUST_BYTES)
        if data is None:
            raise UnusableFileError(f"{path}: a trust file is a text file of at most {MAX_TRUST_BYTES} bytes")
        return parse_trust(data, name=str(path))
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be read: {err.strerror or err}") from err
    except ConfigError as err:
        raise UnusableFileError(str(err)) from err
