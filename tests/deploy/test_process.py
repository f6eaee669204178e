"""Children start, are waited for, stop in order, and die with us however we die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from deploy.local import process
from deploy.local.errors import DeployError
from deploy.local.process import Supervisor
from deploy.parts import Parts

# Says "ready", then logs its name when asked to stop.
POLITE = "trap 'echo stopping {name} >> {journal}; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:  # noqa: PTH123 - a zombie counts as dead
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, deadline_s=10):
    late = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < late, "the condition did not come true in time"
        time.sleep(0.02)


def start_shell(supervisor, folder, script, name="child", **options):
    log = folder / f"{name}.log"
    child = supervisor.start(name, ["sh", "-c", script], log=log, **options)
    child.wait_ready(lambda: "ready" in log.read_text(), deadline_s=10)
    return child


def test_children_stop_in_reverse_order(tmp_path):
    journal = tmp_path / "journal"
    with Supervisor() as supervisor:
        for name in ("first", "second", "third"):
            start_shell(supervisor, tmp_path, POLITE.format(name=name, journal=journal), name)
    assert journal.read_text().split("\n")[:3] == ["stopping third", "stopping second", "stopping first"]


def test_a_child_that_ignores_the_stop_signal_is_killed_after_its_deadline(tmp_path):
    with Supervisor() as supervisor:
        child = start_shell(supervisor, tmp_path, STUBBORN)
        child.stop(deadline_s=0.2)
        assert child.exit_code == -signal.SIGKILL
        assert not alive(child.pid)


def test_what_a_child_leaves_in_its_process_group_dies_with_it(tmp_path):
    with Supervisor() as supervisor:
        child = start_shell(supervisor, tmp_path, "sleep 300 & echo $! ; echo ready; exec sleep 300")
        grandchild = int(child.log.read_text().split()[0])
        assert alive(grandchild)
        child.stop()
        wait_until(lambda: not alive(grandchild))


def test_the_id_of_a_child_that_ended_by_itself_goes_to_nobody_until_it_is_stopped_and_is_not_signalled_after(
    tmp_path, monkeypatch
):
    with Supervisor() as supervisor:
        child = supervisor.start("brief", ["sh", "-c", "exit 3"], log=tmp_path / "log")
        wait_until(lambda: child.exit_code == 3)
        assert os.getpgid(child.pid) == child.pid  # still its own, so that no other process can have it
        child.stop()
        with pytest.raises(ProcessLookupError):
            os.getpgid(child.pid)
        with monkeypatch.context() as patch:
            for call in ("kill", "killpg"):
                patch.setattr(os, call, lambda *who: pytest.fail(f"a signal to {who}, which is someone else's by now"))
            child.send(signal.SIGTERM)
            child.stop()
            child.kill()
        assert child.exit_code == 3


def test_parts_that_failed_by_themselves_say_how_and_those_that_are_done_or_run_do_not(tmp_path):
    with Supervisor() as supervisor:
        parts = Parts(supervisor)
        for name, script in (("api", "echo no memory; exit 7"), ("plant", "exit 0"), ("agent", "exec sleep 300")):
            parts.children[name] = supervisor.start(name, ["sh", "-c", script], log=tmp_path / f"{name}.log")
        wait_until(lambda: (parts.children["api"].exit_code, parts.children["plant"].exit_code) == (7, 0))
        (said,) = parts.last_words()
    assert re.match(r"api ended with code 7\.(?s:.*)no memory", said)


def test_an_error_inside_the_supervisor_still_stops_the_children(tmp_path):
    children = []

    def fail_inside():
        with Supervisor() as supervisor:
            children.append(start_shell(supervisor, tmp_path, "echo ready; exec sleep 300"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert not alive(children[0].pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_get_their_stop_signal_when_the_parent_is_killed(tmp_path, number):
    journal = tmp_path / "journal"
    script = (
        "import sys\nfrom pathlib import Path\nfrom deploy.local.process import Supervisor\n"
        "child = Supervisor().start('c', ['sh', '-c', sys.argv[1]], log=Path(sys.argv[2]))\n"
        "print(child.pid, flush=True)\nsys.stdin.read()\n"
    )
    log = tmp_path / "child.log"
    command = [sys.executable, "-c", script, POLITE.format(name="orphan", journal=journal), str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        wait_until(lambda: log.exists() and "ready" in log.read_text())
        parent.send_signal(number)
        parent.wait(10)
    wait_until(lambda: not alive(pid))
    assert journal.read_text() == "stopping orphan\n"


def test_ctrl_c_in_the_terminal_reaches_only_the_parent(tmp_path):
    with Supervisor() as supervisor:
        child = start_shell(supervisor, tmp_path, "echo ready; exec sleep 300")
        # A terminal sends SIGINT to the foreground process group, which is ours.
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_a_child_that_dies_while_starting_is_reported_with_the_end_of_its_log(tmp_path):
    with Supervisor() as supervisor:
        child = supervisor.start("broken", ["sh", "-c", "echo no such table; exit 3"], log=tmp_path / "log")
        with pytest.raises(DeployError, match=r"broken ended with code 3(?s:.*)no such table"):
            child.wait_ready(lambda: False, deadline_s=10)
        assert supervisor.ended() == [child]


def test_a_child_that_is_never_ready_is_reported_after_the_deadline(tmp_path):
    with Supervisor() as supervisor:
        child = supervisor.start("slow", ["sleep", "300"], log=tmp_path / "log")
        with pytest.raises(DeployError, match="slow is not ready after 0 s"):
            child.wait_ready(lambda: False, deadline_s=0.1)
        assert supervisor.ended() == []


def test_a_program_that_does_not_exist_is_named(tmp_path):
    with Supervisor() as supervisor:
        child = supervisor.start("ghost", ["/no/such/program"], log=tmp_path / "log")
        with pytest.raises(DeployError, match="/no/such/program"):
            child.wait_ready(lambda: False, deadline_s=10)


@pytest.mark.parametrize(("bound", "kept"), [(5, "ready\n"), (6, "ready\nready\n")])
def test_a_log_is_set_aside_at_the_next_start_once_it_is_larger_than_the_bound(tmp_path, monkeypatch, bound, kept):
    monkeypatch.setattr(process, "LOG_MAX_BYTES", bound)  # the child writes six bytes
    with Supervisor() as supervisor:
        for _ in range(2):
            child = supervisor.start("child", ["echo", "ready"], log=tmp_path / "child.log")
            wait_until(lambda child=child: child.exit_code == 0)
    assert child.log.read_text() == kept
    assert (tmp_path / "child.log.1").exists() == (kept == "ready\n")
