"""Runs the measurements, or those that are named; prints the table, writes build/bench.json.

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
from tests.bench import compression, edge, engine, figure, ingest, size, window, writer
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.support.chosen import chosen_servers

OUT = Path("build/bench.json")
ON_SERVERS: dict[str, Callable[[Ground], list[Figure]]] = {
    "writer": writer.measure,
    "ingest": ingest.measure,
    "size": size.measure,
    "window": window.measure,
    "edge": edge.measure,
    "compression": compression.measure,
}
IN_MEMORY: dict[str, Callable[[], list[Figure]]] = {
    "verify_vs_opendsm": engine.verify_vs_opendsm,
    "cost_in_rows": engine.cost_in_rows,
    "fleet_1500": engine.fleet_1500,
}


def main(wanted: list[str]) -> None:
    """Run what is wanted, or all; servers are started only for what needs them."""
    known = [*IN_MEMORY, *ON_SERVERS]
    unknown = set(wanted) - set(known)
    if unknown:
        sys.exit(f"there is no measurement {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    chosen = wanted or known
    figures = [one for name in chosen if name in IN_MEMORY for one in IN_MEMORY[name]()]
    figures += on_servers([name for name in chosen if name in ON_SERVERS])
    print(figure.table(figures))
    figure.write(figures, OUT)


def on_servers(names: list[str]) -> list[Figure]:
    """Measure on a durable server: what a power cut must not take is written out in every commit."""
    if not names:
        return []
    servers = chosen_servers(Progress())
    folder = Path(tempfile.mkdtemp(prefix="retroproof-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with Supervisor() as supervisor:
            server = PostgresServer(servers, folder / "postgres", progress=Progress())
            server.start(supervisor)
            print(f"PostgreSQL {servers.postgres_version}, TimescaleDB {servers.timescaledb_version or 'none'}")
            ground = Ground(servers, supervisor, folder, server)
            return [one for name in names for one in ON_SERVERS[name](ground)]
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
