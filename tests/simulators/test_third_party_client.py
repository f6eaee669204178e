"""A simulated plant serves a client that is not ours: npm's node-opcua reads values, units and the whole history."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support import peers

PERIODS = ("--baseline-days", "3", "--works-days", "1", "--reporting-days", "2")


@pytest.mark.parametrize(
    ("scenario", "unit_of"),
    [("huaxin", {"Foil1.energy": "kW·h", "Foil1.foil_6um": "t"}), ("juntong", {"Assembly1.takt": "min"})],
)
def test_node_opcua_reads_values_units_and_history_of_a_plant(tmp_path, scenario, unit_of):
    folder = peers.installed()
    command = [sys.executable, "-m", "retroproof", "simulate", "run", scenario, "--until", "reporting", *PERIODS]
    ledger = tmp_path / "ledger.csv"
    plant = subprocess.Popen(
        [*command, "--opcua-port", "0", "--ledger", str(ledger)], stdout=subprocess.PIPE, text=True
    )
    try:
        ready = json.loads(plant.stdout.readline())
        nodes = [f"ns=2;s={name}" for name in unit_of]
        client = [str(peers.NODE), str(peers.SCRIPTS / "opcua_client.mjs"), ready["opcua"], *nodes]
        done = subprocess.run(
            client,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"PEERS_FOLDER": str(folder)},
        )
    finally:
        plant.kill()
        plant.communicate()
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    produced = ledger.read_text(encoding="utf-8").splitlines()
    for (name, unit), read in zip(unit_of.items(), said, strict=True):
        point = name.split(".")[1]
        rows = [line.split(",") for line in produced if line.startswith(f"{point},")]
        assert read == {"nodeId": f"ns=2;s={name}", "value": float(rows[-1][2]), "unit": unit, "count": len(rows)}
