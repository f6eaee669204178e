"""A change of key, from the agent's spool to the register: whatever is interrupted, every batch counts, and once."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.clock import ClockState
from edge_agent.identity import rotation
from edge_agent.identity.keystore import FileKeyStore
from edge_agent.spool import Spool
from edge_agent.spool_model import KeyChangeDelayedError, Limits
from edge_agent.spool_recovery import open_spool
from ingest import register
from ingest.admission import Arrival
from ingest.database import connect
from ingest.errors import IngestError
from ingest.ledger import read_snapshot
from tests.ingest.builders import POINTS, Device, now_us, rows, until, waiting_for_a_lock
from verification import ack, batch, keys
from verification.batch import Catalogue, KeyChange

CLOCK = ClockState("synchronised")
SECOND_US = 1_000_000


@pytest.fixture(params=["timescale"])
def migrated(request, template):
    """One tier: keys have nothing to do with readings."""
    server, name = template(request.param)
    yield server.create_database("key_change", template=name)
    server.drop_database("key_change")


def change_of(device: Device, new: Ed25519PrivateKey, **header: object) -> bytes:
    return device.seal(KeyChange(keys.raw_public(new)), **header)


def codes(outcome) -> list[str]:
    return [str(decision.code) for decision in outcome.decisions]


def test_the_new_key_signs_from_the_next_batch_on_and_the_old_no_more(db, device, deliver):
    first, old, new = device.seal(Catalogue(POINTS)), device.key, Ed25519PrivateKey.generate()
    change = change_of(device, new)
    device.key = new
    behind = device.seal(rows())
    assert codes(deliver(first, change, behind)) == ["accepted"] * 3  # in one group, as in three
    device.key = old
    device.header = dataclasses.replace(device.header, signed_at_us=device.header.signed_at_us + 1)
    assert codes(deliver(device.fork().seal(rows(4)))) == ["key_not_valid_at_signing"]
    device.key = new
    assert codes(deliver(device.seal(rows(4)))) == ["accepted"]
    kinds = db.execute("SELECT kind FROM telemetry.batch ORDER BY sequence").fetchall()
    assert [kind for (kind,) in kinds] == ["catalogue", "key_change", "readings", "readings"]


def test_what_the_old_key_signed_before_counts_also_when_it_arrives_later(device, deliver):
    first, late = device.seal(Catalogue(POINTS)), device.seal(rows())
    change = change_of(device, Ed25519PrivateKey.generate(), signed_at_us=device.header.signed_at_us + SECOND_US)
    assert codes(deliver(first, change)) == ["accepted"] * 2
    assert codes(deliver(late)) == ["accepted"]


def test_a_key_that_has_ended_names_no_successor(db, device, deliver):
    signed_at_us = device.header.signed_at_us
    deliver(device.seal(Catalogue(POINTS)))
    thief = device.fork()
    deliver(change_of(device, Ed25519PrivateKey.generate(), signed_at_us=signed_at_us + SECOND_US))
    thief.header = dataclasses.replace(thief.header, sequence=2, previous=device.header.previous)
    outcome = deliver(change_of(thief, Ed25519PrivateKey.generate()))  # dated back, to before the old key's end
    assert codes(outcome) == ["key_change_refused"]
    assert db.execute("SELECT count(*) FROM telemetry.device_key").fetchone() == (2,)


def test_a_key_that_was_registered_before_is_no_successor(device, deliver, db):
    retired = Ed25519PrivateKey.generate()
    register.enroll(db, device.name, keys.public_text(retired), "hengkang")
    outcome = deliver(device.seal(Catalogue(POINTS)), change_of(device, retired))
    assert codes(outcome) == ["accepted", "key_change_refused"]


def test_a_change_that_comes_again_is_acknowledged_again(device, deliver, db):
    first, change = device.seal(Catalogue(POINTS)), change_of(device, Ed25519PrivateKey.generate())
    deliver(first, change)
    assert codes(deliver(change)) == ["duplicate"]
    assert db.execute("SELECT count(*) FROM telemetry.device_key").fetchone() == (2,)


class Box:
    """An edge box: its spool and key store on disk, opened as the agent does at a start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.us = now_us()
        self.store = FileKeyStore(folder / "edge.key")
        self.public_key = keys.public_text(keys.generate(folder / "edge.key"))
        self.spool = self._open()
        self.spool.catalogue(POINTS)

    def _open(self) -> Spool:
        store = FileKeyStore(self.folder / "edge.key")
        return open_spool(self.folder / "spool.sqlite", "potline-1", store.current(), Limits(), now_us=lambda: self.us)

    def restart(self) -> None:
        """As after a crash: only what is on disk is left."""
        self.spool.close()
        self.spool = self._open()
        rotation.advance(self.spool, self.store, CLOCK)

    def read_some(self) -> None:
        self.us += SECOND_US
        self.spool.append(rows())
        assert self.spool.seal_due(CLOCK, everything=True) == 1

    def deliver_all(self, deliver) -> list[str]:
        """Send as the uplink does, a window at a time, until nothing is left; the codes of all."""
        found: list[str] = []
        while sent := self.spool.pending((-1, -1), 100):
            outcome = deliver(*(item.data for item in sent))
            found += codes(outcome)
            settled = [self.spool.settle(said) for said in outcome.acks]
            assert not any(one.alarm for one in settled)
            assert any(one.deleted for one in settled)
        return found


@pytest.fixture
def box(tmp_path: Path, db) -> Box:
    made = Box(tmp_path)
    register.enroll(db, "potline-1", made.public_key, "hengkang")
    yield made
    made.spool.close()


class PowerCutError(Exception):
    """The power fails."""


def crash(*_arguments: object) -> None:
    raise PowerCutError


def crash_at(monkeypatch, box: Box, owner: object, name: str) -> None:
    """Change the key, and have the power fail when it calls this."""
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, crash)
        with pytest.raises(PowerCutError):
            rotation.advance(box.spool, box.store, CLOCK)


def after_the_successor_is_made(box: Box, _monkeypatch: object) -> None:
    box.store.make_successor()


def while_the_successor_is_written(box: Box, _monkeypatch: object) -> None:
    (box.folder / "edge.key.making").write_text("half a ke")
    box.restart()
    box.store.make_successor()


def before_the_change_is_committed(box: Box, monkeypatch) -> None:
    box.store.make_successor()
    crash_at(monkeypatch, box, keys, "raw_public")


def after_the_change_is_committed(box: Box, monkeypatch) -> None:
    box.store.make_successor()
    crash_at(monkeypatch, box, FileKeyStore, "promote")


def after_everything(box: Box, _monkeypatch: object) -> None:
    box.store.make_successor()
    rotation.advance(box.spool, box.store, CLOCK)


@pytest.mark.parametrize(
    "moment",
    [
        after_the_successor_is_made,
        while_the_successor_is_written,
        before_the_change_is_committed,
        after_the_change_is_committed,
        after_everything,
    ],
)
def test_a_change_that_a_crash_interrupts_is_finished_at_the_next_start(box, deliver, db, monkeypatch, moment):
    box.read_some()
    moment(box, monkeypatch)
    box.restart()
    new = box.store.current()
    assert keys.public_text(new) != box.public_key
    assert box.store.successor() is None
    box.read_some()
    box.restart()
    box.read_some()
    assert box.deliver_all(deliver) == ["accepted"] * 5  # catalogue, readings, change, readings, readings
    stored = db.execute("SELECT kind, bytes FROM telemetry.batch ORDER BY sequence").fetchall()
    assert [kind for kind, _ in stored] == ["catalogue", "readings", "key_change", "readings", "readings"]
    signers = [batch.open_batch(data).envelope.key_id == keys.key_id(new) for _, data in stored]
    assert signers == [False, False, False, True, True]
    ended = db.execute("SELECT public_key, valid_to IS NOT NULL FROM telemetry.device_key ORDER BY 2").fetchall()
    assert ended == [(keys.public_text(new), False), (box.public_key, True)]


def test_nothing_behind_a_change_goes_out_before_it_is_acknowledged(box, deliver):
    box.store.make_successor()
    rotation.advance(box.spool, box.store, CLOCK)
    box.read_some()
    sent = [batch.open_batch(item.data).header.sequence for item in box.spool.pending((-1, -1), 100)]
    assert sent == [0, 1]
    ahead = box.spool.fresh((box.spool.identity.epoch, -1), 60 * SECOND_US, 100)
    assert [item.sequence for item in ahead] == [0, 1]
    assert box.deliver_all(deliver) == ["accepted"] * 3


def test_a_second_change_waits_for_the_first(box, deliver):
    box.store.make_successor()
    rotation.advance(box.spool, box.store, CLOCK)
    box.store.make_successor()
    with pytest.raises(KeyChangeDelayedError, match="not acknowledged the last change"):
        rotation.advance(box.spool, box.store, CLOCK)
    box.deliver_all(deliver)
    assert rotation.advance(box.spool, box.store, CLOCK)
    box.read_some()
    assert box.deliver_all(deliver) == ["accepted"] * 2


def test_a_clock_that_is_set_back_makes_no_batch_older_than_its_key(box, deliver):
    box.read_some()
    box.us -= 3_600 * SECOND_US
    box.store.make_successor()
    with pytest.raises(KeyChangeDelayedError, match="set back"):
        rotation.advance(box.spool, box.store, CLOCK)
    box.read_some()  # signed with the old key, by the clock as it is
    box.us += 3_600 * SECOND_US
    assert rotation.advance(box.spool, box.store, CLOCK)
    box.us -= 3_600 * SECOND_US
    box.read_some()
    box.restart()
    box.read_some()
    assert box.deliver_all(deliver) == ["accepted"] * 6


def test_a_spool_of_an_earlier_release_can_change_its_key(box, deliver):
    box.read_some()
    box.spool._db.execute("DROP TABLE signing")
    box.spool.close()
    box.spool = box._open()
    box.store.make_successor()
    assert rotation.advance(box.spool, box.store, CLOCK)
    assert box.deliver_all(deliver) == ["accepted"] * 3


def test_an_acknowledgement_that_settles_the_change_frees_the_way(box, deliver):
    box.store.make_successor()
    rotation.advance(box.spool, box.store, CLOCK)
    box.read_some()
    first, change = box.spool.pending((-1, -1), 100)
    deliver(first.data, change.data)
    box.spool.settle(ack.Ack("potline-1", change.epoch, change.sequence, change.sha256))
    assert [item.sequence for item in box.spool.pending((-1, -1), 100)] == [2]


def test_a_key_that_an_operator_ends_meanwhile_is_not_brought_back_by_a_change(migrated, db, device, deliver):
    """The order is that of the device's lock: the change came first, so there is no such key to end any more."""
    deliver(device.seal(Catalogue(POINTS)))
    change = change_of(device, Ed25519PrivateKey.generate())
    ended: list[str] = []

    def end_it() -> None:
        with connect(migrated) as conn:
            try:
                register.retire_key(conn, device.name, keys.key_id(device.key).hex())
            except IngestError as err:
                ended.append(str(err))

    operator = threading.Thread(target=end_it)
    with db.transaction():
        read_snapshot(db, [Arrival.of(device.name, change)])  # as the worker does before it decides
        operator.start()
        with connect(migrated) as other:
            until(lambda: not operator.is_alive() or waiting_for_a_lock(other) == 1)
        assert codes(deliver(change)) == ["accepted"]
    operator.join()
    assert ended == [f"{device.name} has no key {keys.key_id(device.key).hex()} in use"]
