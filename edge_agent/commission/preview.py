"""Seals what a dry run heard as the agent would, in a spool that is thrown away, and tells each batch in words."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent import clock
from edge_agent.commission.dry_run import Heard, Reading
from edge_agent.config import EdgeConfig
from edge_agent.spool_model import SealedBatch
from edge_agent.spool_recovery import open_spool
from edge_agent.table import figure
from verification import batch
from verification.batch import Catalogue
from verification.model import Point, RowFlag, Rows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sealed(config: EdgeConfig, heard: Heard) -> list[SealedBatch]:
    """The batches that would be sent, in their order."""
    with tempfile.TemporaryDirectory(prefix="retroproof-dry-run-") as folder:
        spool = open_spool(Path(folder) / "spool.sqlite", config.device, config.private_key(), config.limits())
        try:
            indices = spool.catalogue(config.points)
            for start in range(0, len(heard.live), config.batch.max_rows):
                spool.append(_rows(heard.live[start : start + config.batch.max_rows], indices))
            spool.seal_due(clock.clock_state(), everything=True)
            for file, readings in heard.files:  # each sealed by itself, so that its first rows are seen
                spool.append(_rows(readings, indices), file=file)
                spool.seal_due(clock.clock_state(), everything=True)
            most = heard.readings + len(heard.files) + len(config.points) + 1
            return spool.pending((-1, -1), most)
        finally:
            spool.close()


def _rows(readings: Sequence[Reading], indices: dict[str, int]) -> Rows:
    rows = Rows.empty()
    for point, time_us, value, status, flags in readings:
        rows.append(indices[point], time_us, value, status=status, flags=flags)
    return rows


def told(batches: Sequence[SealedBatch], most_rows: int) -> Iterator[str]:
    """Each batch in words, with the first of its rows."""
    names: dict[int, Point] = {}
    for item in batches:
        opened = batch.open_batch(item.data)
        header = opened.header
        size = f"{len(item.data)} bytes, clock {header.clock_state}, signed by key {opened.envelope.key_id.hex()}"
        match batch.read_payload(opened):
            case Catalogue(points, first, files):
                names |= dict(enumerate(points, start=first))
                said = [f"{len(points)} points"] * bool(points)
                said += [f"file {file.name} of {file.rows} readings" for file in files]
                yield f"batch {header.sequence}: names {', '.join(said)}; {size}"
                yield from (f"  sha256 {file.sha256.hex()}" for file in files)
            case Rows() as rows:
                yield f"batch {header.sequence}: {len(rows)} readings; {size}"
                for place in range(min(len(rows), most_rows)):
                    yield f"  {_reading(rows, place, names)}"
                if len(rows) > most_rows:
                    yield f"  and {len(rows) - most_rows} more"


def _reading(rows: Rows, place: int, names: dict[int, Point]) -> str:
    point = names[rows.point[place]]
    at = (_EPOCH + timedelta(microseconds=rows.time_us[place])).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    status = "Good" if rows.status[place] == 0 else f"0x{rows.status[place]:08X}"
    marks = "".join(f"  {flag.name.lower()}" for flag in RowFlag if flag & rows.flags[place] and flag.name)
    return f"{at} UTC  {point.name} = {figure(rows.value[place])} {point.unit}  {status}{marks}"
