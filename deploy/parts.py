"""The named processes of one owner: a platform's ingest and API, or a line's plant and agent."""

from __future__ import annotations

from deploy.local.process import Child, Supervisor


class Parts:
    """Each part is a child process under a name of its owner's; `children` are those that run."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.children: dict[str, Child] = {}

    def last_words(self) -> list[str]:
        """Of each part that has failed by itself: how, and the end of its log."""
        return [child.last_words() for child in self.children.values() if child.exit_code]

    def stop(self, part: str) -> None:
        """Orderly stop."""
        child = self.children.pop(part)
        child.stop()
        self.supervisor.forget(child)

    def kill(self, part: str) -> None:
        """kill -9."""
        child = self.children.pop(part)
        child.kill()
        self.supervisor.forget(child)
