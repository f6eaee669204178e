"""A session with an OPC UA server for the time of one command, opened as the agent would open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import UaError

from edge_agent.config.opcua import OpcUaSourceConfig
from verification.errors import RetroProofError

TIMEOUT_S = 10.0


class ServerError(RetroProofError):
    """The server does not answer, or not as it must; says what to look at."""


@asynccontextmanager
async def session_with(source: OpcUaSourceConfig) -> AsyncIterator[UaSession]:
    """An open session, closed on leaving. Raises ServerError, also where the server is lost meanwhile."""
    client = Client(source.opcua, timeout=TIMEOUT_S)
    try:
        async with client:
            yield client.uaclient.session
    except (OSError, TimeoutError, UaError) as err:
        raise ServerError(
            f"{source.opcua}: no session: {str(err) or type(err).__name__}. Does the server run, is the address right, "
            "does a firewall stand between?"
        ) from err
