"""Access tokens and the browser sessions that lean on them. Only SHA-256 hashes are stored: a token is shown
once.

A token is 256 random bits, so a plain hash suffices and guessing is hopeless; there is no password anywhere.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from psycopg.rows import class_row

from api.database import Connection, statement
from verification.errors import RetroProofError

PREFIX = "rp_"  # lets secret scanners recognise a token that was committed by mistake
TOKEN_BYTES = 32
SESSION_LENGTH = dt.timedelta(hours=12)
MAX_DAYS = 3660
MAX_SUBJECT_CHARS = 100


class Role(StrEnum):
    """Who asks. What each may do is stated at every route."""

    ENTERPRISE = "enterprise"
    EXPERT = "expert"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a valid token. `enterprise` is set for the role enterprise, which sees nothing else."""

    role: Role
    subject: str
    enterprise: str | None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as an operator lists it: without anything that would let anyone sign in."""

    id: str
    role: str
    subject: str
    enterprise: str | None
    created_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None


def add(conn: Connection, role: Role, subject: str, enterprise: str | None, *, days: int, now: dt.datetime) -> str:
    """Make a token and give its text, which is stored nowhere.

    Raises RetroProofError for a role without its enterprise.
    """
    if (role is Role.ENTERPRISE) != bool(enterprise):
        raise RetroProofError("The role enterprise, and no other, needs the name of its enterprise: --enterprise NAME")
    # The subject goes into log entries, which take text of bounded length in one spelling only.
    subject = unicodedata.normalize("NFC", subject.strip())
    if not 1 <= days <= MAX_DAYS or not 1 <= len(subject) <= MAX_SUBJECT_CHARS or not subject.isprintable():
        raise RetroProofError(
            f"A token has a subject (who will use it, 1 to {MAX_SUBJECT_CHARS} characters on one line) "
            f"and is valid for 1 to {MAX_DAYS} days"
        )
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    row = {"sha256": _digest(token), "role": role, "subject": subject, "enterprise": enterprise}
    conn.execute(statement("add_token"), row | {"now": now, "expires_at": now + dt.timedelta(days=days)})
    return token


def revoke(conn: Connection, token_id: str, *, now: dt.datetime) -> str:
    """End a token and every session that leans on it; gives its subject.

    Raises RetroProofError where there is none.
    """
    row = conn.execute(statement("revoke_token"), {"id": token_id, "now": now}).fetchone()
    if row is None:
        raise RetroProofError(f"No valid token has the id {token_id!r}; see: retroproof api token list")
    return str(row[0])


def list_all(conn: Connection) -> list[TokenRow]:
    """Every token, the newest first."""
    with conn.cursor(row_factory=class_row(TokenRow)) as cursor:
        return cursor.execute(statement("list_tokens")).fetchall()


def holder(conn: Connection, token: str, *, now: dt.datetime) -> Principal | None:
    """Who holds `token`, or None where it is unknown, expired or revoked."""
    return _find(conn, "find_token", token, now)


def session_holder(conn: Connection, session: str, *, now: dt.datetime) -> Principal | None:
    """Who opened the browser session, or None where it or its token has ended."""
    return _find(conn, "find_session", session, now)


def open_session(conn: Connection, token: str, *, now: dt.datetime) -> str:
    """A session for the holder of a valid token; gives the secret that goes into the cookie in the token's
    place.
    """
    session = secrets.token_urlsafe(TOKEN_BYTES)
    conn.execute(statement("forget_sessions"), {"now": now})
    row = {"sha256": _digest(session), "token": _digest(token), "expires_at": now + SESSION_LENGTH}
    conn.execute(statement("open_session"), row)
    return session


def close_session(conn: Connection, session: str) -> None:
    """Sign out."""
    conn.execute(statement("close_session"), {"sha256": _digest(session)})


def _find(conn: Connection, name: str, secret: str, now: dt.datetime) -> Principal | None:
    row = conn.execute(statement(name), {"sha256": _digest(secret), "now": now}).fetchone()
    return Principal(Role(row[0]), row[1], row[2]) if row else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
