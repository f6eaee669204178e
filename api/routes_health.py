"""Health, the API's machine-readable description, and static files: what anyone may fetch without a token."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg
from fastapi import APIRouter, Request, Response

from api import schemas
from api.auth import PUBLIC
from api.database import connect, lacking_tables
from api.errors import ApiError, not_found
from api.services import Here
from verification.errors import RetroProofError
from verification.report.plots import stylesheet

CSS = "text/css; charset=utf-8"
STATIC_TYPES = {"style.css": CSS, "plots.css": CSS, "mark.svg": "image/svg+xml"}

router = APIRouter()


@router.get("/health", openapi_extra=PUBLIC)
def health() -> schemas.Health:
    """The server is up."""
    return schemas.Health(status="ok")


@router.get("/ready", openapi_extra=PUBLIC, responses={503: {"model": schemas.Error}})
def ready(here: Here) -> schemas.Health:
    """The server is up, its database answers, and every table is there."""
    try:
        with connect(here.db) as conn:
            lacking = lacking_tables(conn)
    except psycopg.Error as err:
        raise ApiError(
            503, "database_away", "The database does not answer; start it, or correct db in api.yaml."
        ) from err
    except RetroProofError as err:  # tables of a newer release, or a migration edited after the fact
        raise ApiError(503, "not_migrated", str(err)) from err
    if lacking:
        raise ApiError(503, "not_migrated", f"Tables are missing; run: {' && '.join(lacking)}")
    return schemas.Health(status="ok")


@router.get("/api/v1/openapi.json", include_in_schema=False, openapi_extra=PUBLIC)
def describe(request: Request) -> dict[str, Any]:
    """The API in OpenAPI form."""
    description: dict[str, Any] = request.app.openapi()
    return description


@router.get("/static/{name}", include_in_schema=False, response_class=Response, openapi_extra=PUBLIC)
def static(name: str) -> Response:
    """One of the few files that the pages need."""
    if name not in STATIC_TYPES:
        raise not_found(f"file {name!r}")
    content = stylesheet().encode() if name == "plots.css" else (files("api.web") / "static" / name).read_bytes()
    return Response(content, media_type=STATIC_TYPES[name], headers={"Cache-Control": "public, max-age=3600"})
