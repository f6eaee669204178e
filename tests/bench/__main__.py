"""Runs every measurement on servers of its own, prints the table, writes build/bench.json."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from ingest.database import connect
from ingest.migrate import migrate
from ingest.tier import detect, equip
from tests.bench import figure, writer
from tests.support.chosen import chosen_servers

OUT = Path("build/bench.json")


def main() -> None:
    """Measure on a durable server: what a power cut must not take is written out in every commit."""
    progress = Progress()
    servers = chosen_servers(progress)
    folder = Path(tempfile.mkdtemp(prefix="retroproof-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with Supervisor() as supervisor:
            server = PostgresServer(servers, folder / "postgres", progress=progress)
            server.start(supervisor)
            # Nobody can connect to template0; TimescaleDB's scheduler may be in template1 just now.
            url = server.create_database("bench", template="template0")
            with connect(url) as conn:
                migrate(conn)
                equip(conn)
                print(f"PostgreSQL {servers.postgres_version}, tier {detect(conn)}")
                figures = [writer.measure(conn, folder / "postgres" / "readings.copy")]
    finally:
        shutil.rmtree(folder)
    print(figure.table(figures))
    figure.write(figures, OUT)


if __name__ == "__main__":
    main()
