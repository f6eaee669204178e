"""A session with an OPC UA server for the time of one command, opened as the agent would open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import UaError

from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.security import Folder, secure
from verification.errors import RetroProofError

APPLICATION_URI = "urn:retroproof:edge"
CERTIFICATES = Path("opcua")  # where they lie for a command that has no configuration


class ServerError(RetroProofError):
    """The server does not answer, or not as it must; says what to look at."""


@asynccontextmanager
async def session_with(source: OpcUaSourceConfig, folder: Path = CERTIFICATES) -> AsyncIterator[UaSession]:
    """An open session, closed on leaving. Raises ServerError, also where the server is lost meanwhile."""
    connection = Connection(source.opcua, APPLICATION_URI)
    try:
        await secure(connection, source, Folder.of(source, folder))
        await connection.begin_session()
        yield connection.session
        await connection.session.close_session(delete_subscriptions=True)
    except (OSError, TimeoutError, UaError) as err:
        raise ServerError(
            f"{source.opcua}: no session: {str(err) or type(err).__name__}. Does the server run, is the address right, "
            "does a firewall stand between?"
        ) from err
    finally:
        connection.abort()
