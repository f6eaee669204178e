"""The spool under everything at once, as a state machine: nothing goes missing, nothing comes twice."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_agent.spool_model import Limits, SpoolFullError, extend
from tests.edge_agent.spools import (
    CLOCK,
    POINTS,
    Clock,
    held,
    open_at,
)
from verification import ack, batch
from verification.batch import Gap, Gaps
from verification.model import Rows


class SpoolMachine(RuleBasedStateMachine):
    """Readings go in; crashes, acknowledgements (lost, late, repeated) and corruption happen; nothing goes missing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "spool.sqlite"
        self.clock = Clock()
        self.limits = Limits(max_bytes=1 << 20, max_rows=7, max_wait_us=1_000)
        self.accepted: list[tuple[int, float]] = []
        self.refused: list[int] = []
        self.upstream: dict[tuple[int, int], bytes] = {}
        self.acks: list[ack.Ack] = []
        self.counter = 0

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self, known_epoch: int = 0) -> None:
        self.spool = open_at(self.path, self.clock, self.limits, known_epoch=known_epoch)
        self.spool.catalogue(POINTS)

    def tick(self) -> int:
        self.clock.us += 10
        return self.clock.us

    @rule(count=st.integers(1, 20))
    def append(self, count: int) -> None:
        rows = Rows.empty()
        for _ in range(count):
            self.counter += 1
            rows.append(self.counter % 2, self.tick(), float(self.counter))
        try:
            self.spool.append(rows)
        except SpoolFullError:
            self.spool.admit_loss(rows)
            self.refused += rows.time_us
        else:
            self.accepted += zip(rows.time_us, rows.value, strict=True)

    @rule()
    def fill(self) -> None:
        """As if other readings had taken all the room, until `make_room` or a restart."""
        self.spool._readings_bytes = 0

    @rule()
    def make_room(self) -> None:
        self.spool._readings_bytes = self.limits.max_bytes

    @rule(everything=st.booleans())
    def seal(self, everything: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        self.spool.seal_due(CLOCK, everything=everything)

    @rule()
    def crash_and_reopen(self) -> None:
        """The file as a kill would leave it: copied with its log while the writer has it open."""
        copy = self.folder / f"copy-{self.counter}-{self.clock.us}"
        self.tick()
        shutil.copy(self.path, copy)
        shutil.copy(f"{self.path}-wal", f"{copy}-wal")
        self.spool.close()
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").replace(f"{self.path}{suffix}")
        self.open()

    @rule(most=st.integers(1, 5))
    def send(self, most: int) -> None:
        for item in self.spool.pending((-1, -1), most):
            known = self.upstream.setdefault((item.epoch, item.sequence), item.data)
            assert known == item.data
        for epoch in self.spool.epochs():
            through = -1
            while (epoch, through + 1) in self.upstream:
                through += 1
            if through >= 0:
                sha256 = batch.open_batch(self.upstream[epoch, through]).sha256
                self.acks.append(ack.Ack("device-1", epoch, through, sha256))

    @precondition(lambda self: self.acks)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """Any acknowledgement that was ever sent may arrive, in any order, as often as it likes."""
        settlement = self.spool.settle(data.draw(st.sampled_from(self.acks)))
        assert settlement.alarm == ""

    @rule(status_is_left=st.booleans())
    def corrupt(self, status_is_left: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        known_epoch = self.spool.identity.epoch if status_is_left else 0
        self.spool.close()
        self.tick()
        self.path.write_bytes(b"garbage" + self.path.read_bytes()[7:])
        self.open(known_epoch=known_epoch)

    @invariant()
    def every_reading_is_kept_once_or_admitted(self) -> None:
        if not hasattr(self, "spool"):
            return
        copy_rows: Counter[tuple[int, float]] = Counter()
        gaps: list[Gap] = []
        waiting = {(item.epoch, item.sequence): item.data for item in held(self.spool)}
        for data in (waiting | self.upstream).values():
            match batch.read_payload(batch.open_batch(data)):
                case Rows() as rows:
                    copy_rows.update(zip(rows.time_us, rows.value, strict=True))
                case Gaps(found):
                    gaps += found
        waiting = Rows.empty()
        for _, _, count, data in self.spool._db.execute("SELECT * FROM chunk ORDER BY id"):
            extend(waiting, count, data)
        copy_rows.update(zip(waiting.time_us, waiting.value, strict=True))
        open_gaps = self.spool._db.execute("SELECT start_us, end_us FROM open_gap").fetchall()
        spans = [(gap.start_us, gap.end_us) for gap in gaps] + open_gaps
        for reading, count in Counter(self.accepted).items():
            inside = any(start <= reading[0] <= end for start, end in spans)
            assert copy_rows[reading] == count or (inside and copy_rows[reading] == 0)
        assert not copy_rows.keys() - set(self.accepted)
        assert all(any(start <= time_us <= end for start, end in spans) for time_us in self.refused)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
