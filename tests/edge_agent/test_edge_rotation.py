"""`retroproof edge rotate-key`, with the agent running and without."""

from __future__ import annotations

import os
import stat
from unittest.mock import Mock

import pytest

from edge_agent.clock import now_us
from edge_agent.identity.keystore import FileKeyStore
from edge_agent.identity.rotation import advance
from edge_agent.spool_model import KeyChangeDelayedError
from tests.edge_agent.spools import CLOCK, rows_of, sealed
from tests.edge_agent.support import wait_for
from tests.edge_agent.test_edge_cli import run
from verification import batch, keys
from verification.batch import KeyChange


@pytest.fixture
def agent(make_agent, make_opcua):
    """An agent that reads a point, and a server to write it on."""
    line = make_opcua(points=["a"])
    points = {"a": {"node": line.node("a"), "unit": "kWh", "kind": "counter"}}
    made = make_agent(sources={"line": {"opcua": line.url, "security": "None", "points": points, "sampling_ms": 20}})
    made.line = line
    made.ingest.start()
    return made


def check_signers(agent, old, new) -> None:
    """One change, up to which the old key signed and behind which the new one did."""
    sent = [batch.open_batch(data) for _, data in sorted(agent.ingest.batches.items())]
    (change,) = [number for number, one in enumerate(sent) if isinstance(batch.read_payload(one), KeyChange)]
    assert {one.envelope.key_id for one in sent[: change + 1]} == {keys.key_id(old)}
    assert {one.envelope.key_id for one in sent[change + 1 :]} == {keys.key_id(new)}


def test_a_running_agent_changes_its_key_and_loses_nothing(agent):
    agent.start()
    wait_for(lambda: agent.status().sources["line"].points["a"].state == "live", "a live point")
    agent.line.tell(write=[("a", now_us(), 1.0)])
    wait_for(lambda: 1.0 in [value for _, _, value in agent.ingest.rows()], "the first value")
    old = agent.key
    result = run("rotate-key", "--config", agent.config_path)
    assert result.exit_code == 0, result.output
    new = keys.load_private(agent.folder / "edge.key")
    assert keys.key_id(old).hex() in result.output
    assert keys.key_id(new).hex() in result.output
    assert new.public_key() != old.public_key()
    agent.line.tell(write=[("a", now_us(), 2.0)])
    wait_for(lambda: 2.0 in [value for _, _, value in agent.ingest.rows()], "a value behind the change")
    check_signers(agent, old, new)
    wait_for(lambda: agent.status().key_id == keys.key_id(new).hex(), "the new key in the status")
    assert f"key     {keys.key_id(new).hex()}" in run("status", "--config", agent.config_path).output
    assert agent.ingest.problems == []
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in agent.folder.glob("edge.key*")}
    assert files == {"edge.key": 0o600} or os.name != "posix"


def test_an_agent_that_does_not_run_tells_of_its_new_key_when_it_does(agent):
    agent.start()
    wait_for(lambda: agent.ingest.batches, "the catalogue")
    assert agent.stop() == 0
    assert run("rotate-key", "--config", agent.config_path).exit_code == 0
    agent.start()
    wait_for(lambda: agent.status().sources["line"].points["a"].state == "live", "a live point")
    agent.line.tell(write=[("a", now_us(), 3.0)])
    wait_for(lambda: 3.0 in [value for _, _, value in agent.ingest.rows()], "a value behind the change")
    check_signers(agent, agent.key, keys.load_private(agent.folder / "edge.key"))
    assert agent.ingest.problems == []


def test_a_key_that_cannot_take_its_place_on_the_disk_signs_all_the_same(spool, tmp_path, monkeypatch):
    keys.generate(tmp_path / "edge.key")
    store = FileKeyStore(tmp_path / "edge.key")
    new = store.make_successor()
    with monkeypatch.context() as patched:
        patched.setattr(FileKeyStore, "promote", Mock(side_effect=PermissionError(13, "Permission denied")))
        with pytest.raises(KeyChangeDelayedError, match=r"Permission denied.*write in the folder of signing_key"):
            advance(spool, store, CLOCK)
    assert spool.key_id() == keys.key_id(new)
    spool.append(rows_of((0, 1, 1.0)))
    spool.seal_due(CLOCK, everything=True)
    assert sealed(spool)[-1].envelope.key_id == keys.key_id(new)
    assert advance(spool, store, CLOCK)
    assert keys.key_id(store.current()) == keys.key_id(new)
