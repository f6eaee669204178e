"""Four workers on one machine share the batches of many devices; two of them are killed, and nothing changes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import ExitStack

import httpx

from ingest.database import connect
from ingest.migrate import migrate
from tests.ingest.builders import Device, compared, until
from tests.ingest.site import Agent, Site, stored

WORKERS, DEVICES, BATCHES, ROWS = 4, 8, 30, 500


def accepted(address: str) -> float:
    """How many batches the worker at this address has accepted."""
    said = httpx.get(f"{address}/metrics").text
    found = re.search(r'^retroproof_ingest_batches_total\{code="accepted"\} (\S+)$', said, re.MULTILINE)
    return float(found[1])


def test_workers_share_the_load_and_two_that_die_change_nothing(database, new_site: Callable[..., Site]):
    with connect(database) as conn:
        migrate(conn)
    site = new_site(database, more="watch: 127.0.0.1:0")
    workers = [site.start_worker() for _ in range(WORKERS)]
    addresses = re.findall(r"listening: (http://\S+)", site.log.read_text())
    devices = [Device(f"scale-{number}", seed=number + 1) for number in range(DEVICES)]
    chains = {device.name: device.chain(BATCHES, rows_each=ROWS) for device in devices}
    failures: list[object] = []

    def send(agent: Agent) -> None:
        for data in chains[agent.name]:
            agent.client.publish(f"plant/{agent.name}/batch", data, qos=1)
        try:
            site.until_settled(agent, chains[agent.name], through=BATCHES - 1)
        except AssertionError as err:
            failures.append(err)

    with ExitStack() as stack:
        agents = [stack.enter_context(site.agent(device)) for device in devices]
        senders = [threading.Thread(target=send, args=(agent,)) for agent in agents]
        for sender in senders:
            sender.start()
        until(lambda: compared(database)[0] > DEVICES)  # they are in the midst of it
        shares = [accepted(address) for address in addresses]
        for worker in workers[:2]:
            worker.kill()
        for sender in senders:
            sender.join()
    assert not failures
    assert sum(share > 0 for share in shares) >= 2, shares
    for device in devices:
        assert stored(site, device) == chains[device.name]
    assert compared(database) == (DEVICES * (BATCHES - 1), DEVICES * (BATCHES - 1) * ROWS, None)
