"""The one exception of the one-machine stack: what is wrong and what to do next, shown by click without a traceback."""

from __future__ import annotations

import click


class DeployError(click.ClickException):
    """A server cannot be found, fetched or run; the message names the command or the folder that mends it."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h
