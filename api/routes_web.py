"""The web pages: sign-in, the list of projects, one page per project, the API's description for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api import dossier, tokens
from api.auth import PUBLIC, SESSION_COOKIE, Caller
from api.clock import utc_now
from api.database import connect
from api.overview import gather
from api.routes_projects import LOGGED_READERS, READERS
from api.services import Here
from api.web import pages

MAX_TOKEN_CHARS = 200

router = APIRouter(include_in_schema=False)


@router.get("/", openapi_extra=READERS)
def list_projects(request: Request, here: Here, caller: Caller) -> Response:
    """Every project that the caller may see, with its verdict."""
    with connect(here.db) as conn:
        overviews = [gather(conn, project) for project in dossier.list_projects(conn, caller)]
    return pages.projects(request, caller, overviews)


@router.get("/projects/{project_id}", openapi_extra=READERS)
def show_project(request: Request, here: Here, caller: Caller, project_id: str) -> Response:
    """One project on one page."""
    with connect(here.db) as conn:
        overview = gather(conn, dossier.find_project(conn, project_id, caller))
    return pages.project(request, caller, overview, read_is_logged=caller.role in LOGGED_READERS)


@router.get("/docs", openapi_extra=PUBLIC)
def describe(request: Request) -> Response:
    """The API, described for people, without a script from anywhere."""
    return pages.api_description(request, request.app.openapi())


@router.get("/login", openapi_extra=PUBLIC)
def ask_for_token(request: Request) -> Response:
    """The form."""
    return pages.login(request, status=200)


@router.post("/login", openapi_extra=PUBLIC)
def sign_in(
    request: Request,
    here: Here,
    token: Annotated[str, Form(max_length=MAX_TOKEN_CHARS)],
    next: Annotated[str, Form(max_length=MAX_TOKEN_CHARS)] = "/",  # noqa: A002 - the name of the form's field
) -> Response:
    """Open a session. The cookie carries the session's own secret, never the token."""
    now = utc_now()
    with connect(here.db) as conn:
        if tokens.holder(conn, token.strip(), now=now) is None:
            return pages.login(request, status=401, refused_for=next)
        session = tokens.open_session(conn, token.strip(), now=now)
    answer = RedirectResponse(pages.local_path(next), status_code=303)
    answer.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=int(tokens.SESSION_LENGTH.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout", openapi_extra=PUBLIC)
def sign_out(request: Request, here: Here) -> Response:
    """End the session that the browser shows, if any."""
    with connect(here.db) as conn:
        tokens.close_session(conn, request.cookies.get(SESSION_COOKIE, ""))
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer
