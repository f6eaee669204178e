"""The servers that tests and benches run on: what `make demo` would use, or a PostgreSQL that the caller names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from deploy.local.home import home_folder
from deploy.local.progress import Progress
from deploy.local.servers import Servers, ensure_servers, read_postgres

# The bin folder of a PostgreSQL with another TimescaleDB, such as one of the Community licence.
VARIABLE = "RETROPROOF_TEST_POSTGRES"


def chosen_servers(progress: Progress | None = None) -> Servers:
    """The servers, fetched if need be; PostgreSQL from RETROPROOF_TEST_POSTGRES where that is set."""
    servers = ensure_servers(home_folder(), progress or Progress())
    if VARIABLE not in os.environ:
        return servers
    found = read_postgres(Path(os.environ[VARIABLE]))
    return replace(
        servers,
        postgres_bin_dir=found.bin_dir,
        postgres_version=found.version,
        timescaledb_version=found.timescaledb_version,
        timescaledb_licence=found.timescaledb_licence,
        source="installed",
    )
