"""The linear algebra keeps to one thread while the engine computes, and gets back what it had."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tests.verification.lines import line, short_plan
from verification.engine.threads import one_thread
from verification.engine.verify import verify

PLAN = short_plan()
READINGS = line(PLAN)


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


class Watched(dict):
    """Readings that note how many threads the linear algebra has whenever the engine takes some."""

    seen: set[int]

    def get(self, *args):
        self.seen = getattr(self, "seen", set()) | threads()
        return super().get(*args)


@pytest.fixture(autouse=True)
def _two_threads():
    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.fail("the linear algebra here does not take two threads: nothing could be seen")
        yield


def test_a_verification_has_one_thread_and_leaves_two():
    readings = Watched(READINGS)
    verify(PLAN, "", readings)
    assert readings.seen == {1}
    assert threads() == {2}


def test_an_error_leaves_two_threads_too():
    with pytest.raises(RuntimeError), one_thread():
        raise RuntimeError
    assert threads() == {2}


def test_of_two_side_by_side_the_last_gives_the_threads_back():
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            entered.set()
            leave.wait(30)

    beside = threading.Thread(target=other)
    with one_thread():
        beside.start()
        assert entered.wait(30)
    assert threads() == {1}
    leave.set()
    beside.join(30)
    assert threads() == {2}
