"""One thread for the linear algebra, for as long as the engine computes.

Its matrices are tall and narrow: threads would only wait for each other (five times the time for intervals of an hour),
and could add up in another order. The command sets this for its whole process before numpy is loaded; this is for
programs that call the engine and want threads elsewhere. Not handled: a program that sets the number itself meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

from threadpoolctl import OpenBLASController, ThreadpoolController


class _OneThread:
    """The setting is the whole process's: of verifications that run side by side the first makes it, and the last puts
    back what was.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before = contextlib.ExitStack()

    @functools.cached_property
    def _libraries(self) -> ThreadpoolController:
        """Those that are loaded when a verification first runs: by then the engine's modules are."""
        return ThreadpoolController()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if self._running == 0:
                self._before.enter_context(self._libraries.limit(limits=1, user_api="blas"))
                OpenBLASController.clear_controlling_thread()  # so that another thread may put it back
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    self._before.close()


one_thread = _OneThread().held
