"""Groups of commands whose subcommands are imported only when they are asked for: the others answer at once, and on a
machine that has not installed what those need. Light: click only.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


def command_at(place: str) -> click.Command:
    """The command at `module:attribute`."""
    module, _, attribute = place.partition(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command


class LazyGroup(click.Group):
    """A group with subcommands of its own, and others by name and place that are loaded when they are asked for."""

    def __init__(self, *settings: Any, elsewhere: Mapping[str, str], **named: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*settings, **named)
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in alphabetical order."""
        return sorted([*super().list_commands(ctx), *self._elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of this name, wherever it is."""
        place = self._elsewhere.get(cmd_name)
        return super().get_command(ctx, cmd_name) if place is None else command_at(place)
