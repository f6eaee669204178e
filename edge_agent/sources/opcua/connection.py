"""One connection to an OPC UA server: socket, secure channel and session, without the library's own supervisor.

Uses asyncua for the protocol and adds what the source needs: a session can be taken up again by another process, the
library neither decodes nor acknowledges what is published, and nothing reconnects behind our back.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import NotEnoughData
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import (
    BadIdentityTokenInvalid,
    BadIdentityTokenRejected,
    BadMessageNotAvailable,
    BadUserAccessDenied,
    UaStructParsingError,
)

from edge_agent.sources.opcua.decode import UndecodableError
from edge_agent.sources.opcua.record import SessionRecord
from verification.errors import RetroProofError

REQUEST_TIMEOUT_S = 10.0
# How long the server keeps the session of an agent that is gone; it may grant less.
SESSION_TIMEOUT_MS = 20 * 60_000
RENEW_AT = 0.75  # of the channel's lifetime (Part 4, 5.5.2.1)
PRODUCT_URI = "urn:retroproof:edge"
LOGIN_REFUSED = (BadIdentityTokenInvalid, BadIdentityTokenRejected, BadUserAccessDenied)
# What the library raises on bytes that break the encoding: what its parts raise.
MALFORMED = (NotEnoughData, UaStructParsingError, struct.error, LookupError, ValueError, TypeError, AttributeError)


class LoginRefusedError(RetroProofError):
    """The server is there and does not take our login; says whose it was and what to do."""


class Connection(Client):
    """Made anew for every attempt; see `security.secure` for what comes before `open_channel`."""

    def __init__(self, url: str, application_uri: str) -> None:
        super().__init__(url, timeout=REQUEST_TIMEOUT_S)
        self.name = self.description = "RetroProof edge agent"
        self.application_uri, self.product_uri = application_uri, PRODUCT_URI
        self.session_timeout = SESSION_TIMEOUT_MS
        self._server_nonce: bytes | None = None  # type: ignore[assignment]  # declared as None in the library

    @property
    def session(self) -> UaSession:
        """The services that need a session."""
        return self.uaclient.session

    @property
    def nonce(self) -> bytes:
        """The server's last nonce, which the next activation must sign."""
        return bytes(self._server_nonce or b"")

    async def open_channel(self) -> None:
        """Connect, and open the secure channel under the policy that was set."""
        await self.connect_socket()
        await self.send_hello()
        await self.open_secure_channel()

    async def begin_session(self) -> None:
        """Create a session and log in. Raises LoginRefusedError."""
        await self.create_session()
        try:
            await self._log_in()
        except LOGIN_REFUSED as err:
            who, mend = "anybody without a login", "give one: user and password_file, or user_cert and user_key"
            if self._username:
                who, mend = self._username, "look for a slip in user and in the password, or ask its administrator"
            elif self.user_certificate:
                who, mend = "the owner of user_cert", "have its administrator let this certificate log in"
            raise LoginRefusedError(f"the server does not let {who} log in ({type(err).__name__}); {mend}") from err

    async def resume_session(self, record: SessionRecord, endpoint: ua.EndpointDescription) -> None:
        """Log in to a session that the server still has (Part 4, 6.7). Raises UaError where it has not.

        The ids of the server's identity policies are part of the login, and come from its endpoint.
        """
        self._policy_ids = endpoint.UserIdentityTokens
        self._server_nonce = record.nonce or None
        if not self.security_policy.peer_certificate:
            self.security_policy.peer_certificate = endpoint.ServerCertificate
        self.session.restore_authentication_token(record.authentication_token)
        await self._log_in()

    async def _log_in(self) -> None:
        await self.activate_session(self._username, self._password, self.user_certificate)

    async def keep_channel(self) -> None:
        """Renew the secure channel for as long as the connection lasts; never returns."""
        while True:
            await asyncio.sleep(self.secure_channel_timeout / 1_000 * RENEW_AT)
            await self.open_secure_channel(renew=True)
            self.uaclient.revolve_security_token()

    async def create_subscription_quietly(
        self, parameters: ua.CreateSubscriptionParameters
    ) -> ua.CreateSubscriptionResult:
        """Create a subscription without the library's publish loop."""
        request = ua.CreateSubscriptionRequest(Parameters=parameters)
        response = struct_from_binary(ua.CreateSubscriptionResponse, await self._protocol.send_request(request))
        result: ua.CreateSubscriptionResult = response.Parameters
        return result

    async def publish(self, acknowledged: Sequence[tuple[int, int]]) -> bytes:
        """Acknowledge messages (subscription, sequence number) and wait for the next one: its body, not decoded."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(subscription, sequence) for subscription, sequence in acknowledged
        ]
        return bytes(await self._protocol.send_request(request, timeout=0))

    async def read_history(self, parameters: ua.HistoryReadParameters) -> bytes:
        """The answer to a HistoryRead: its body, not decoded."""
        return bytes(await self._protocol.send_request(ua.HistoryReadRequest(Parameters=parameters)))

    async def republish(self, subscription: int, sequence: int) -> ua.NotificationMessage | None:
        """The message of that number if the server still has it. asyncua's server answers with another where not.

        Raises UndecodableError.
        """
        try:
            message = await self.session.republish(subscription, sequence)
        except BadMessageNotAvailable:
            return None
        except MALFORMED as err:
            raise UndecodableError(f"a message cannot be read: {type(err).__name__}: {err}") from err
        return message if message.SequenceNumber == sequence else None

    def abort(self) -> None:
        """Drop the connection at once and leave the session at the server, to be resumed."""
        if self.uaclient.protocol is not None and self.uaclient.protocol.transport is not None:
            self.uaclient.protocol.transport.abort()
        self.disconnect_socket()

    @property
    def _protocol(self) -> UASocketProtocol:
        if self.uaclient.protocol is None:
            raise ConnectionError("the connection to the server is lost")
        return self.uaclient.protocol
