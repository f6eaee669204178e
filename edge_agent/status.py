"""What the running agent says about itself once a second, as `status.json` beside the spool; `edge status` shows it.

Every part of the agent fills in its own structure; all of them live on the event loop, so nothing here needs a lock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.spool_model import Depth
from verification.shapes import ready

MAX_MESSAGE_CHARS = 500

PointStateName = Literal["waiting", "backfilling", "live", "error"]


class PointStatus(msgspec.Struct):
    """One point: how it is read and what came last. The revised figures are what the server granted.

    refused: values that were no number; not_finite: kept, but NaN or infinite; odd_times: messages whose last value
    was kept although no set clock can have stamped it.
    """

    address: str
    state: PointStateName = "waiting"
    message: str = ""
    historizing: bool | None = None
    asked_sampling_ms: float | None = None
    revised_sampling_ms: float | None = None
    asked_queue: int | None = None
    revised_queue: int | None = None
    last_time_us: int | None = None
    last_value: float | None = None
    last_status: int | None = None
    rows: int = 0
    backfilled: int = 0
    refused: int = 0
    not_finite: int = 0
    odd_times: int = 0

    def fail(self, message: object) -> None:
        """Say what is wrong with this point."""
        self.state = "error"
        self.message = str(message)[:MAX_MESSAGE_CHARS]

    def took(self, time_us: int, value: float, status: int, *, rows: int = 1) -> None:
        """Note the last of so many rows."""
        self.rows += rows
        self.last_time_us, self.last_value, self.last_status = time_us, value, status


class SourceStatus(msgspec.Struct):
    """One source. `doubles` are repeats that were left out, `bad` are messages or values that could not be read.

    republished: messages that the server sent again after a break, because they had not arrived.
    """

    kind: str
    endpoint: str
    points: dict[str, PointStatus]
    state: str = "starting"
    message: str = ""
    connects: int = 0
    doubles: int = 0
    republished: int = 0
    bad: int = 0
    dropped: int = 0

    def now(self, state: str, message: object = "") -> None:
        """Say how the source fares."""
        self.state = state
        self.message = str(message)[:MAX_MESSAGE_CHARS]


class UplinkStatus(msgspec.Struct):
    """The way to ingest. An `alarm` stays until the agent is started again: somebody must look."""

    endpoint: str
    state: str = "starting"
    message: str = ""
    alarm: str = ""
    alarms: int = 0
    connects: int = 0
    in_flight: int = 0
    sent: int = 0
    resent: int = 0
    undelivered: int = 0
    settled: int = 0
    refused: int = 0
    last_ack_us: int | None = None
    last_ack_epoch: int | None = None
    last_ack_through: int | None = None

    def raise_alarm(self, alarm: str) -> None:
        """Keep the latest alarm and count it."""
        self.alarm = alarm[:MAX_MESSAGE_CHARS]
        self.alarms += 1


class ClockStatus(msgspec.Struct):
    """The clock as the last batch header has it: against ingest's, give or take `error_us`.

    ntp_offset_us is what the kernel still has to correct.
    """

    state: str = "unknown"
    offset_us: int | None = None
    error_us: int | None = None
    ntp_offset_us: int | None = None


class AgentStatus(msgspec.Struct):
    """The whole file."""

    device: str
    pid: int
    started_us: int
    written_us: int
    sources: dict[str, SourceStatus]
    uplink: UplinkStatus
    clock: ClockStatus
    spool: Depth | None = None
    key_id: str = ""
    key_message: str = ""
    reloads: int = 0
    reload_message: str = ""


def write(status: AgentStatus, path: Path) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(status))
    draft.replace(path)


def read(path: Path) -> AgentStatus | None:
    """The last status that was written, or None if there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ready(AgentStatus))
    except (OSError, msgspec.DecodeError):
        return None
