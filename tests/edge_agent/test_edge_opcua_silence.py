"""Which of a session's subscriptions counts as silent: one of which nothing came, and none that had to wait for us."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from edge_agent.sources.opcua import messages as module
from edge_agent.sources.opcua.decode import Publication
from edge_agent.sources.opcua.messages import Messages, SessionSilentError
from edge_agent.sources.opcua.record import SubscriptionRecord
from edge_agent.status import SourceStatus

MARGIN_S = 0.1


class Server:
    """Answers each publish request with the next of these, and with nothing once they are used up."""

    def __init__(self, said: Sequence[tuple[int, int]]) -> None:
        self._said = [Publication(*one, keep_alive=False) for one in said]

    async def publish(self, _acknowledged: object) -> Publication:
        if not self._said:
            await asyncio.Event().wait()
        return self._said.pop(0)

    async def republish(self, _subscription: int, _sequence: int) -> None:
        return None


def taken(monkeypatch: pytest.MonkeyPatch, said: Sequence[tuple[int, int]], slow: tuple[int, int]) -> tuple:
    """What is taken of two subscriptions' messages until silence is found, and which; `slow` is long in the taking."""
    monkeypatch.setattr(module, "SILENCE_MARGIN_S", MARGIN_S)
    monkeypatch.setattr(module, "publication", lambda found, *_: found)
    found: list[tuple[int, int]] = []

    async def take(one: Publication) -> None:
        found.append((one.subscription, one.sequence))
        await asyncio.sleep(3 * MARGIN_S if found[-1] == slow else 0)  # as while a long history is read

    messages = Messages("line", Server(said), SourceStatus("opcua", "", {}), {}, take, lambda _: None)
    for number in (1, 2):
        messages.expect(SubscriptionRecord(number, 100.0, 0.0))

    async def run() -> None:
        await asyncio.sleep(3 * MARGIN_S)  # as while what was missed is fetched
        await messages.publish()

    with pytest.raises(SessionSilentError) as caught:
        asyncio.run(run())
    return found, str(caught.value)


def test_a_subscription_whose_message_had_to_wait_for_another_s_is_not_silent(monkeypatch):
    said = [(1, 1), (1, 2), (2, 1)]
    found, why = taken(monkeypatch, said, slow=(1, 1))
    assert found == said
    assert why.startswith("the server has sent nothing")


def test_a_subscription_that_says_nothing_while_another_does_is_silent(monkeypatch):
    class Ticking(Server):
        async def publish(self, acknowledged: object) -> Publication:
            await asyncio.sleep(MARGIN_S / 4)
            return await super().publish(acknowledged)

    monkeypatch.setitem(globals(), "Server", Ticking)
    found, why = taken(monkeypatch, [(1, number) for number in range(1, 100)], slow=(0, 0))
    assert why.startswith("subscription 2 has sent nothing")
    assert len(found) < 50
