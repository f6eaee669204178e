"""Makes the application: routes behind one guard, bounded bodies, strict headers, errors that say what to do
next.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import psycopg
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api import routes_health, routes_log, routes_projects, routes_web
from api.auth import guard
from api.config import Settings
from api.errors import ApiError, LogTamperedError
from api.log import Log
from api.middleware import MAX_BODY_BYTES, BoundedBody, SecurityHeaders, ToldFailures
from api.services import Services
from api.web import pages
from verification.errors import RetroProofError

API_VERSION = "1"
STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
logger = logging.getLogger("retroproof.api")


def create_app(settings: Settings) -> FastAPI:
    """The application over one database and one log.

    FastAPI's own documentation pages are off: they load scripts from elsewhere.
    """
    app = FastAPI(
        title="RetroProof",
        version=API_VERSION,
        dependencies=[Depends(guard)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = Services(settings, Log(settings.log_origin, settings.log_key))
    for room in (routes_health, routes_projects, routes_log, routes_web):
        app.include_router(room.router)
    app.add_exception_handler(RetroProofError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_middleware(BoundedBody, too_large=_too_large)
    app.add_middleware(ToldFailures, answer=_failed)
    app.add_middleware(SecurityHeaders)
    return app


def _too_large() -> JSONResponse:
    return _answer(413, "body_too_large", f"A body has at most {MAX_BODY_BYTES} bytes; a plan is a page or two.")


def _answer(status: int, code: str, message: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse({"error": code, "message": message}, status_code=status, headers=headers)


def _say(request: Request, refused: ApiError) -> Response:
    """A refusal as JSON for programs and as a page for people, by the address that was asked for."""
    path = request.url.path
    if path.startswith(("/api/", "/health", "/ready", "/static/")):
        return _answer(refused.status, refused.code, str(refused))
    return pages.error(request, refused)


async def _refused(request: Request, err: Exception) -> Response:
    match err:
        case ApiError():
            return _say(request, err)
        case LogTamperedError():
            logger.critical("%s", err)
            return _say(request, ApiError(500, "log_tampered", str(err)))
        case _:
            return _say(request, ApiError(422, "refused", str(err)))


async def _malformed(request: Request, err: Exception) -> Response:
    """What is wrong with a request, field by field; what was sent is not repeated, it may be a secret."""
    problems = err.errors() if isinstance(err, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in problems)
    return _say(request, ApiError(422, "invalid_request", f"{said}. See /docs for what this call takes."))


async def _no_route(request: Request, err: Exception) -> Response:
    status = err.status_code if isinstance(err, HTTPException) else 500
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _too_large()
    code = STATUS_CODES.get(status, "refused")
    return _say(request, ApiError(status, code, f"{request.method} {request.url.path} is not served; see /docs."))


async def _database_away(request: Request, err: Exception) -> Response:
    logger.error("database: %s", err)
    return _say(request, ApiError(503, "database_away", "The database does not answer; try again in a minute."))


def _failed(request: Request) -> Response:
    """A mistake of ours: strangers learn nothing from it."""
    message = "The server failed; its operator finds the reason in its log."
    return _say(request, ApiError(500, "internal_error", message))
