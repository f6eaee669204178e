"""How far a long command is, on one line of the terminal; silent where nobody watches."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

SHOWN_EVERY_S = 0.2


class Progress:
    """Counts and shows `12,000 of 50,000 readings rebuilt (24 %), 61,000/s`; as a context, ends its line."""

    def __init__(self, done: str, things: str, total: int | None = None, *, stream: TextIO | None = None) -> None:
        self.total = total
        self.count = 0
        self._done, self._things = done, things
        self._stream = stream or sys.stderr
        self._watched = self._stream.isatty()
        self._begun = self._shown = time.monotonic()

    def add(self, count: int) -> None:
        """So many more are done."""
        self.count += count
        if self._watched and time.monotonic() - self._shown >= SHOWN_EVERY_S:
            self._show()

    def __enter__(self) -> Self:
        """Nothing is shown before there is something to show."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave the last state standing."""
        if self._watched and self.count:
            self._show()
            self._stream.write("\n")

    def _show(self) -> None:
        self._shown = time.monotonic()
        per_second = self.count / max(self._shown - self._begun, 1e-6)
        share = f" of {self.total:,}" if self.total else ""
        percent = f" ({100 * self.count // self.total} %)" if self.total else ""
        line = f"{self.count:,}{share} {self._things} {self._done}{percent}, {per_second:,.0f}/s"
        self._stream.write(f"\r{line:<78}")
        self._stream.flush()
