"""Runs the measurements, or those that are named, on servers of its own; prints the table, writes build/bench.json.

`python -m tests.bench [NAME ...]`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from tests.bench import figure, ingest, window, writer
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.support.chosen import chosen_servers

OUT = Path("build/bench.json")
MEASURES: dict[str, Callable[[Ground], list[Figure]]] = {
    "writer": writer.measure,
    "ingest": ingest.measure,
    "window": window.measure,
}


def main(wanted: list[str]) -> None:
    """Measure on a durable server: what a power cut must not take is written out in every commit."""
    unknown = set(wanted) - MEASURES.keys()
    if unknown:
        sys.exit(f"there is no measurement {', '.join(sorted(unknown))}; there are: {', '.join(MEASURES)}")
    progress = Progress()
    servers = chosen_servers(progress)
    folder = Path(tempfile.mkdtemp(prefix="retroproof-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    figures = []
    try:
        with Supervisor() as supervisor:
            server = PostgresServer(servers, folder / "postgres", progress=progress)
            server.start(supervisor)
            print(f"PostgreSQL {servers.postgres_version}, TimescaleDB {servers.timescaledb_version or 'none'}")
            ground = Ground(servers, supervisor, folder, server)
            for name in wanted or MEASURES:
                figures += MEASURES[name](ground)
    finally:
        shutil.rmtree(folder)
    print(figure.table(figures))
    figure.write(figures, OUT)


if __name__ == "__main__":
    main(sys.argv[1:])
