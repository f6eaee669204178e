"""The one refusal of a table that cannot be read at all."""

from __future__ import annotations

from typing import NoReturn

from verification.errors import FormatError


def refuse(name: str, code: str, problem: str) -> NoReturn:
    """Raise the FormatError `code` of the table called `name`."""
    raise FormatError(code, f"{name}: {problem}")
