"""A session with an OPC UA server for the time of one command, opened and trusted as the agent would do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from asyncua.ua.uaerrors import UaError

from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.security import Folder, secure
from verification.errors import RetroProofError


class ServerError(RetroProofError):
    """The server does not answer, or not as it must; says what to look at."""


@asynccontextmanager
async def connected(source: OpcUaSourceConfig, device: str, folder: Path) -> AsyncIterator[Connection]:
    """An open session, closed on leaving, unlike the agent's own; `folder` is where certificates lie by default.

    Raises ServerError, also where the server is lost meanwhile, SecurityError and LoginRefusedError.
    """
    connection = Connection(source.opcua, f"urn:retroproof:edge:{device}")
    try:
        try:
            await secure(connection, source, Folder.of(source, folder))
            await connection.begin_session()
            yield connection
        finally:
            with suppress(OSError, TimeoutError, UaError):
                await connection.session.close_session(delete_subscriptions=True)
            connection.abort()
    except (OSError, TimeoutError, UaError) as err:
        raise ServerError(
            f"{source.opcua}: no session: {str(err) or type(err).__name__}. Does the server run, is the address right, "
            "does a firewall stand between?"
        ) from err
