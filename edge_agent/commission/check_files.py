"""Reads the files that wait in a drop folder, where they lie, and says of each point what they hold."""

from __future__ import annotations

from edge_agent.commission.findings import PointCheck
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.sources import csvfile, files
from edge_agent.table import figure


def check(name: str, source: CsvSourceConfig) -> list[PointCheck]:
    """A check of each point: its latest value, and every file that would be refused."""
    checks = {point: PointCheck(name, point, unit=config.unit) for point, config in source.points.items()}
    waiting = sorted(files.waiting(source))
    latest: dict[str, csvfile.Reading] = {}
    refused = []
    for path in waiting:
        found = files.previewed(path, source)
        if found is None:
            continue
        _, table = found
        refused += [files.told(files.name_of(path), problem) for problem in table.problems[:1]]
        for one in table.readings if not table.problems else []:
            if one.point not in latest or one.time_us >= latest[one.point].time_us:
                latest[one.point] = one
    for point, judged in checks.items():
        judged.problems += [f"would be refused: {problem}" for problem in refused]
        if point in latest:
            judged.value = figure(latest[point].value)
        elif not refused:
            judged.notes.append(f"none of the {len(waiting)} files that wait in {source.files} has a value of it")
    return list(checks.values())
