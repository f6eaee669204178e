"""A session with an OPC UA server for the time of one command, opened and trusted as the agent would do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from asyncua.ua.uaerrors import BadIdentityTokenInvalid, BadIdentityTokenRejected, BadUserAccessDenied, UaError

from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.security import Folder, SecurityError, secure
from verification.errors import RetroProofError

LOGIN_REFUSED = (BadIdentityTokenInvalid, BadIdentityTokenRejected, BadUserAccessDenied)


class ServerError(RetroProofError):
    """The server does not answer, or not as it must; says what to look at."""


@asynccontextmanager
async def connected(source: OpcUaSourceConfig, device: str, folder: Path) -> AsyncIterator[Connection]:
    """An open session, closed on leaving, unlike the agent's own; `folder` is where certificates lie by default.

    Raises ServerError, also where the server is lost meanwhile, and SecurityError.
    """
    connection = Connection(source.opcua, f"urn:retroproof:edge:{device}")
    try:
        try:
            await secure(connection, source, Folder.of(source, folder))
            await _log_in(connection, source)
            yield connection
        finally:
            with suppress(OSError, TimeoutError, UaError):
                await connection.session.close_session(delete_subscriptions=True)
            connection.abort()
    except SecurityError:
        raise
    except (OSError, TimeoutError, UaError) as err:
        raise ServerError(
            f"{source.opcua}: no session: {str(err) or type(err).__name__}. Does the server run, is the address right, "
            "does a firewall stand between?"
        ) from err


async def _log_in(connection: Connection, source: OpcUaSourceConfig) -> None:
    try:
        await connection.begin_session()
    except LOGIN_REFUSED as err:
        if source.user:
            who, mend = source.user, f"Look for a slip in the name and in the password in {source.password_file}"
        elif source.user_cert:
            who, mend = f"the owner of {source.user_cert}", "Have its administrator let this certificate log in"
        else:
            who, mend = "anybody without a login", "Ask its administrator for one, and write user and password_file"
        raise SecurityError(
            f"{source.opcua}: the server does not let {who} log in ({type(err).__name__}). {mend}"
        ) from err
