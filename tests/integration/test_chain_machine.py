"""The whole way of a reading, as a state machine: the real spool file, the real uplink, ingest's real decision.

Between them a network that loses, repeats and reorders, a disk that fills up, a process that dies, a file that breaks.
However they come together: each reading is stored exactly once, or lies inside a signed gap, or is still on its way.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_agent.clock import ClockState
from edge_agent.config.uplink import UplinkConfig
from edge_agent.spool import Spool
from edge_agent.spool_model import Limits, SealedBatch, SpoolFullError, extend
from edge_agent.spool_recovery import open_spool
from edge_agent.status import UplinkStatus
from edge_agent.uplink import Uplink
from edge_agent.uplink.channel import NotDelivered
from ingest.admission import Arrival, Code, Device, Key, State, admit, advance
from verification import ack, batch, keys
from verification.batch import Gap, Gaps
from verification.model import Point, PointKind, Rows

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
INGEST_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
POINTS = (Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER), Point("b", "ns=2;s=b", "V", PointKind.GAUGE))
DEVICE = "device-1"
START_US = 1_700_000_000_000_000
LIMITS = Limits(max_bytes=1 << 20, max_rows=40, max_wait_us=1_000)
PAGE_BYTES = 4096
CLOCK = ClockState("unknown")
HONEST = {Code.ACCEPTED, Code.DUPLICATE, Code.DEFERRED, Code.STALE_EPOCH}
RESERVE_PAGES = 64


class Ingest:
    """What ingest decides, and what it would have stored; in memory, by its own pure functions."""

    def __init__(self) -> None:
        device = Device({keys.key_id(KEY): Key(KEY.public_key(), 0)})
        self.state = State({DEVICE: device}, {}, {})
        self.rows: Counter[tuple[int, float]] = Counter()
        self.gaps: list[Gap] = []
        self.now_us = START_US

    def take(self, data: bytes) -> bytes:
        """One batch; the signed acknowledgement that follows the commit."""
        arrival = Arrival.of(DEVICE, data)
        decision = admit(self.state, arrival, received_at_us=self.now_us)
        assert decision.code in HONEST, decision
        self.state = advance(self.state, decision)
        match decision.payload:
            case Rows() as rows:
                self.rows.update(zip(rows.time_us, rows.value, strict=True))
            case Gaps(found):
                self.gaps += found
        return self.acknowledgement(arrival.batch.header.epoch)

    def acknowledgement(self, epoch: int) -> bytes:
        known = self.state.epochs.get((DEVICE, epoch))
        through = known.through if known else ack.NOTHING_SETTLED
        sha256 = self.state.entries[DEVICE, epoch, through].sha256 if through >= 0 else b""
        return ack.sign(ack.Ack(DEVICE, epoch, through, sha256, at_us=self.now_us), INGEST_KEY)


class Network:
    """A channel whose messages wait until a rule lets them arrive, any number of times, in any order."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.asked: list[int] = []

    async def ask(self, epochs: Sequence[int]) -> None:
        self.asked += epochs

    def send(self, item: SealedBatch) -> None:
        self.batches.append(item.data)


class InlineSpool:
    """The spool for the uplink, without a thread of its own."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    async def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return method(self.spool, *args, **kwargs)


class PageReserve:
    """Stands for the reserve beside the spool, where the disk is a number of SQLite pages."""

    def __init__(self, machine: ChainMachine) -> None:
        self._machine = machine
        self.held = True

    def hold(self) -> bool:
        """Only on a disk with room: the machine's rule `free_the_disk` does it."""
        return self.held

    def release(self) -> bool:
        released, self.held = self.held, False
        if released:
            self._machine.limit_pages(RESERVE_PAGES)
        return released


class ChainMachine(RuleBasedStateMachine):
    """Rules do one thing to one part each; the invariant counts every reading that was ever handed to the spool."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "spool.sqlite"
        self.us = START_US
        self.ingest = Ingest()
        self.handed: list[tuple[int, float]] = []
        self.acks: list[bytes] = []
        self.full = False
        self.copies = 0

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self, known_epoch: int = 0) -> None:
        """As at an agent's start; a new connection sees the disk with room, until it is full again."""
        self.spool = open_spool(self.path, DEVICE, KEY, LIMITS, known_epoch=known_epoch, now_us=lambda: self.us)
        self.spool._reserve = PageReserve(self)
        self.spool.catalogue(POINTS)
        self.full = False
        config = UplinkConfig("mqtt://nowhere", window=4)
        status = UplinkStatus("")
        self.network = Network()
        inline = InlineSpool(self.spool)
        self.uplink = Uplink(DEVICE, config, INGEST_KEY.public_key(), inline, status, lambda _: b"")

    def tick(self) -> int:
        self.us += 10
        self.ingest.now_us = self.us
        return self.us

    # ---- the plant and the disk

    @rule(count=st.integers(1, 12) | st.just(200))
    def readings_come(self, count: int) -> None:
        rows = Rows.empty()
        for _ in range(count):
            rows.append(len(self.handed) % 2, self.tick(), float(len(self.handed)))
            self.handed.append((rows.time_us[-1], rows.value[-1]))
        try:
            self.spool.append(rows)
        except SpoolFullError:
            self.spool.admit_loss(rows)

    @rule(everything=st.booleans())
    def seal(self, everything: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        self.tick()
        self.spool.seal_due(CLOCK, everything=everything)

    @rule(pages=st.integers(0, 2))
    def fill_the_disk(self, pages: int) -> None:
        """SQLite itself refuses the next page: SQLITE_FULL, wherever it happens to be needed."""
        self.full = True
        self.limit_pages(pages)

    @precondition(lambda self: self.full)
    @rule()
    def free_the_disk(self) -> None:
        self.full = False
        self.spool._db.execute("PRAGMA max_page_count = 1000000")
        self.spool._reserve.held = True

    def limit_pages(self, more: int) -> None:
        (used,) = self.spool._db.execute("PRAGMA page_count").fetchone()
        self.spool._db.execute(f"PRAGMA max_page_count = {used + more}")

    @rule()
    def crash(self) -> None:
        """The file as a kill leaves it: copied with its log while the writer has it open."""
        owed = self.spool._owed.values()
        assert not owed or self.full
        waiting, _ = self._in_the_spool()
        self.handed = [  # what is owed in memory is lost with it
            reading
            for reading in self.handed
            if reading in self.ingest.rows
            or reading in waiting
            or not any(start_us <= reading[0] <= end_us for start_us, end_us, _ in owed)
        ]
        self.copies += 1
        copy = self.folder / f"copy-{self.copies}"
        shutil.copy(self.path, copy)
        shutil.copy(f"{self.path}-wal", f"{copy}-wal")
        self.spool.close()
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").replace(f"{self.path}{suffix}")
        self.tick()
        self.open()

    @rule(data=st.data(), status_is_left=st.booleans())
    def break_the_file(self, data: st.DataObject, status_is_left: bool) -> None:  # noqa: FBT001 - by name
        """A page of it is lost: if anything lay there, the file has to be replaced, and the epoch ends."""
        known_epoch = self.spool.identity.epoch if status_is_left else 0
        self.spool.close()
        self.tick()
        pages = self.path.stat().st_size // PAGE_BYTES
        with self.path.open("r+b") as file:
            file.seek(data.draw(st.integers(0, pages - 1)) * PAGE_BYTES)
            file.write(bytes(PAGE_BYTES))
        self.open(known_epoch=known_epoch)

    # ---- the uplink and the network

    @rule()
    def send(self) -> None:
        asyncio.run(self.uplink._send_more(self.network))

    @rule()
    def wait_too_long(self) -> None:
        """Everything under way is overdue."""
        for waiting in self.uplink._window._line.values():
            waiting.due_s = 0.0

    @rule()
    def connect_anew(self) -> None:
        """What was on the old connection is lost; the agent asks, and ingest answers, sooner or later."""
        self.network = Network()
        self.uplink._heard_s = 0.0  # it does not wait for the answer here
        asyncio.run(self.uplink._start_session(self.network))
        self.acks += [self.ingest.acknowledgement(epoch) for epoch in self.network.asked]

    @precondition(lambda self: self.network.batches)
    @rule(data=st.data(), again=st.booleans())
    def a_batch_arrives(self, data: st.DataObject, again: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        """Any of those under way; `again`: it may arrive once more later."""
        index = data.draw(st.integers(0, len(self.network.batches) - 1))
        self.acks.append(self.ingest.take(self.network.batches[index]))
        if not again:
            del self.network.batches[index]

    @rule()
    def all_batches_arrive(self) -> None:
        while self.network.batches:
            self.acks.append(self.ingest.take(self.network.batches.pop(0)))

    @precondition(lambda self: self.network.batches)
    @rule(data=st.data(), told=st.booleans())
    def a_batch_is_lost(self, data: st.DataObject, told: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        """With or without the broker's word that nobody got it."""
        index = data.draw(st.integers(0, len(self.network.batches) - 1))
        header = batch.open_batch(self.network.batches.pop(index)).header
        if told:
            self.uplink._note_not_delivered(NotDelivered((header.epoch, header.sequence), "nobody listens"))

    @precondition(lambda self: self.acks)
    @rule(data=st.data())
    def an_acknowledgement_arrives(self, data: st.DataObject) -> None:
        """Any that was ever sent, however old, as often as it likes; those that never come are lost."""
        asyncio.run(self.uplink._take_acknowledgement(data.draw(st.sampled_from(self.acks))))
        assert self.uplink._status.alarms == 0, self.uplink._status.alarm

    @precondition(lambda self: self.acks)
    @rule()
    def the_latest_acknowledgement_arrives(self) -> None:
        asyncio.run(self.uplink._take_acknowledgement(self.acks[-1]))
        assert self.uplink._status.alarms == 0, self.uplink._status.alarm

    # ---- what must hold

    @invariant()
    def each_reading_is_stored_once_or_admitted_or_on_its_way(self) -> None:
        if not hasattr(self, "spool"):
            return
        assert all(count == 1 for count in self.ingest.rows.values()), "a reading was stored twice"
        waiting, admitted = self._in_the_spool()
        spans = [(gap.start_us, gap.end_us) for gap in (*self.ingest.gaps, *admitted)]
        for reading in self.handed:
            known = reading in self.ingest.rows or reading in waiting
            assert known or any(start <= reading[0] <= end for start, end in spans), f"{reading} is missing"
        assert set(self.ingest.rows) <= set(self.handed), "a reading was invented"

    def _in_the_spool(self) -> tuple[set[tuple[int, float]], list[Gap]]:
        """The readings and the losses that the agent holds, in whatever form."""
        waiting, open_rows, admitted = set(), Rows.empty(), []
        for (data,) in self.spool._db.execute("SELECT data FROM batch"):
            match batch.read_payload(batch.open_batch(data)):
                case Rows() as rows:
                    waiting.update(zip(rows.time_us, rows.value, strict=True))
                case Gaps(found):
                    admitted += found
        for _, _, count, data in self.spool._db.execute("SELECT * FROM chunk ORDER BY id"):
            extend(open_rows, count, data)
        waiting.update(zip(open_rows.time_us, open_rows.value, strict=True))
        for start_us, end_us, _ in self.spool._owed.values():
            admitted.append(Gap((), start_us, end_us, ""))
        for start_us, end_us in self.spool._db.execute("SELECT start_us, end_us FROM open_gap"):
            admitted.append(Gap((), start_us, end_us, ""))
        return waiting, admitted

    def teardown(self) -> None:
        """Once everything works again, everything arrives."""
        if hasattr(self, "spool"):
            self._let_everything_arrive()
            self.spool.close()
        shutil.rmtree(self.folder)

    def _let_everything_arrive(self) -> None:
        self.free_the_disk()
        for _ in range(200):
            self.tick()
            self.spool._last_gap_seal_us = 0
            self.spool.seal_due(CLOCK, everything=True)
            self.wait_too_long()
            self.send()
            self.all_batches_arrive()
            for epoch in self.spool.epochs():
                asyncio.run(self.uplink._take_acknowledgement(self.ingest.acknowledgement(epoch)))
            if not self.spool.depth().batches:
                break
        assert self.spool.depth().batches == 0, "the line is blocked"
        self.each_reading_is_stored_once_or_admitted_or_on_its_way()


TestChainMachine = ChainMachine.TestCase
TestChainMachine.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
