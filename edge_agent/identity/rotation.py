"""Changes the signing key: the old key signs a batch that names the new one, and from the next batch on the new signs.

Three steps, each durable before the next, each harmless to repeat, so that a crash anywhere is taken up at the next
start or second:
  1. the store makes the successor (`edge rotate-key`);
  2. the spool seals the change with the old key and notes in the same transaction that the new one is in use;
  3. the store lets the successor take the place of the old key, which is gone then.
Until ingest has acknowledged the change the spool hands out nothing behind it, so that no batch comes before the news
of its key.
"""

from __future__ import annotations

import time
from pathlib import Path

from edge_agent import clock
from edge_agent.clock import ClockState
from edge_agent.config import EdgeConfig
from edge_agent.identity.keystore import KeyStore
from edge_agent.lock import exclusive, is_held
from edge_agent.spool import Spool
from edge_agent.spool_model import KeyChangeDelayedError
from edge_agent.spool_recovery import open_spool
from verification import keys
from verification.errors import ConfigError

WAIT_S = 30.0
POLL_S = 0.1


def advance(spool: Spool, store: KeyStore, state: ClockState) -> bool:
    """Do what is left of a change that was begun; True if one was finished now.

    Raises KeyChangeDelayedError (try again later) and ConfigError (the successor's file cannot be used).
    """
    successor = store.successor()
    if successor is None:
        return False
    spool.change_key(successor, state)
    try:
        store.promote()
    except OSError as err:  # the new key signs already, and takes its place as soon as it can
        raise KeyChangeDelayedError(f"{err}; let the agent write in the folder of signing_key") from err
    return True


def rotate(config: EdgeConfig) -> str:
    """Change the key, by the running agent or without one; the new public key. Raises ConfigError."""
    store = config.key_store()
    successor = store.make_successor()
    deadline_s = time.monotonic() + WAIT_S
    while store.successor() is not None:
        if not is_held(config.spool_path):
            _advance_alone(config, store)
        elif time.monotonic() > deadline_s:
            raise ConfigError(
                "the agent has not taken the new key yet; `retroproof edge status` may say why. It goes on trying, "
                "and this command can be repeated"
            )
        time.sleep(POLL_S)
    return keys.public_text(successor)


def _advance_alone(config: EdgeConfig, store: KeyStore) -> None:
    """The change while no agent runs; the next one sends it."""
    Path(config.spool.path).parent.mkdir(parents=True, exist_ok=True)
    with exclusive(config.spool_path):
        spool = open_spool(config.spool_path, config.device, store.current(), config.limits())
        try:
            advance(spool, store, clock.unmeasured())
        finally:
            spool.close()
