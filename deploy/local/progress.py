"""Says what a long step is doing: one moving line on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
from typing import TextIO

import click

PLAIN_EVERY_PERCENT = 25  # in a log, four lines for a download are enough


class Progress:
    """Where the steps go; `stream` is standard error unless told, so that standard output stays clean for results."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._moving = False
        self._last_percent = 0.0

    def step(self, text: str) -> None:
        """A new step begins: one line that stays."""
        if self._moving:
            self._stream.write("\n")
        self._moving = False
        self._last_percent = 0.0
        self._write(f"{text}\n")

    def percent(self, text: str, done: float) -> None:
        """The current step is `done` percent through."""
        if self._stream.isatty():
            self._moving = True
            self._write(f"\r\x1b[K  {text}: {done:3.0f} %")
        elif done >= self._last_percent + PLAIN_EVERY_PERCENT:
            self._last_percent = done - done % PLAIN_EVERY_PERCENT
            self._write(f"  {text}: {done:.0f} %\n")

    def _write(self, text: str) -> None:
        click.echo(text, file=self._stream, nl=False)  # drops colours where the stream is no terminal, and flushes
