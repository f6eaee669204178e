"""Reads a .sql file whose statements are named by lines `-- name: statement_name`."""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def statements(file_name: str) -> dict[str, str]:
    """The statements of one of this package's .sql files by their names; what stands before the first is a comment."""
    text = resources.files(__package__).joinpath(file_name).read_text(encoding="utf-8")
    _, *named = _NAME.split(text)
    return dict(zip(named[::2], named[1::2], strict=True))


SPOOL = statements("spool.sql")
