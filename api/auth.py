"""Who may call which route. Default deny: a route that does not say who may call it answers 403 to everybody.

Every route states its roles in `openapi_extra` (see `allow`), which also prints them in the API's
description; the guard below is a dependency of the whole application and reads them from there. A token comes
in the Authorization header; a browser session comes in a cookie, which is good for reading only, so that no
other site can make a browser change anything.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from api import tokens
from api.database import connect
from api.errors import ApiError
from api.services import services_of
from api.tokens import Principal, Role

SESSION_COOKIE = "retroproof_session"
ROLES_KEY = "x-roles"
ANYONE = "anyone"
MAX_SECRET_CHARS = 200
SAFE_METHODS = frozenset({"GET", "HEAD"})

PUBLIC: dict[str, Any] = {ROLES_KEY: [ANYONE]}


def allow(*roles: Role) -> dict[str, Any]:
    """What a route passes as `openapi_extra`: these roles may call it."""
    return {ROLES_KEY: [str(role) for role in roles]}


def guard(request: Request) -> None:
    """Let the request through, or raise ApiError 401 or 403.

    Leaves the caller in `request.state.principal`.
    """
    route = request.scope.get("route")
    stated = (route.openapi_extra or {}).get(ROLES_KEY, []) if isinstance(route, APIRoute) else []
    if stated == [ANYONE]:
        return
    principal = _principal(request)
    if principal is None:
        raise ApiError(
            401,
            "not_signed_in",
            "Send a valid token: Authorization: Bearer <token>. An operator can make one. "
            "In a browser the session may have ended: sign in again at /login.",
        )
    if principal.role not in stated:
        allowed = ", ".join(stated) or "nobody"
        raise ApiError(403, "role_not_allowed", f"Your role, {principal.role}, may not do this. Allowed: {allowed}.")
    request.state.principal = principal


def _principal(request: Request) -> Principal | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    session = request.cookies.get(SESSION_COOKIE, "")
    now = dt.datetime.now(dt.UTC)
    if scheme.lower() == "bearer" and 0 < len(token.strip()) <= MAX_SECRET_CHARS:
        with connect(services_of(request).db) as conn:
            return tokens.holder(conn, token.strip(), now=now)
    if not scheme and 0 < len(session) <= MAX_SECRET_CHARS and request.method in SAFE_METHODS:
        with connect(services_of(request).db) as conn:
            return tokens.session_holder(conn, session, now=now)
    return None


def _signed_in(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(_signed_in)]
