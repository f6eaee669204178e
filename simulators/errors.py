"""The root exception of the simulators: a refusal that says what to do next. The command line shows it as one line."""

from __future__ import annotations


class SimulatorError(Exception):
    """The simulated plant cannot run as asked; the message names the mend."""
