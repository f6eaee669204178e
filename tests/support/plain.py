"""A PostgreSQL that truly has no TimescaleDB: a copy of the one under test without that extension's files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from deploy.local.servers import Servers, postgres_folders


def without_timescaledb(servers: Servers, folder: Path) -> Servers:
    """Copy PostgreSQL below `folder`. It finds its files by its own place, so the copy sees only what is copied."""
    for source in {servers.postgres_bin_dir, *postgres_folders(servers.postgres_bin_dir)}:
        shutil.copytree(
            source,
            _below(folder, source),
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("timescaledb*", "bitcode"),
        )
    bin_dir = _below(folder, servers.postgres_bin_dir)
    return replace(servers, postgres_bin_dir=bin_dir, timescaledb_version=None, timescaledb_licence=None)


def _below(folder: Path, absolute: Path) -> Path:
    """`/usr/share/x` as `folder/usr/share/x`: the places keep their relation to each other."""
    return folder / absolute.relative_to("/")
