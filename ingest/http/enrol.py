"""The two calls of enrolment: ask with a token, then fetch what the operator decided.

The only calls whose sender no key proves; the token does, and nothing that comes without a good one is stored. What is
given out is public: a certificate, the authority's, and the key by which acknowledgements are known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import psycopg
from fastapi import APIRouter, Request, Response

from ingest import enrol
from ingest.database import Connection, connect
from ingest.enrol import Enrolment, EnrolmentError
from ingest.http.problem import BUSY, ProblemError
from verification.shapes import ready

MAX_REQUEST_BYTES = 16 * 1024
MAX_UNDER_WAY = 4  # a connection to the database for each; a plant enrols a few times in its life
BEARER = "Bearer "


class EnrolmentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device asks with."""

    token: str
    device: str
    csr_pem: str
    signing_key: str


def router(db: str, ingest_key: str) -> APIRouter:
    """The routes. `ingest_key` is the public key that the devices are told, in its text form."""
    routes = APIRouter(prefix="/ingest/v1/enrol")
    under_way = asyncio.Semaphore(MAX_UNDER_WAY)

    async def answered(do: Callable[[Connection], Enrolment]) -> Response:
        async with under_way:
            return _answer(await asyncio.to_thread(_run, db, do), ingest_key)

    @routes.post("")
    async def ask(request: Request) -> Response:
        """Take a request; the same one again is answered again."""
        asked = _read(await _body(request))
        return await answered(
            lambda conn: enrol.ask(
                conn, asked.token, device=asked.device, csr_pem=asked.csr_pem, signing_key=asked.signing_key
            )
        )

    @routes.get("/{number}")
    async def look(number: int, request: Request) -> Response:
        """What became of it: 202 while nobody decided, 200 with the certificate, 403 with the reason."""
        token = request.headers.get("authorization", "").removeprefix(BEARER)
        return await answered(lambda conn: enrol.look(conn, number, token))

    return routes


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_REQUEST_BYTES:
            raise ProblemError("bad_request", f"more than {MAX_REQUEST_BYTES} bytes")
    return bytes(body)


def _read(body: bytes) -> EnrolmentRequest:
    try:
        return msgspec.json.decode(body, type=ready(EnrolmentRequest))
    except msgspec.DecodeError as err:
        raise ProblemError("bad_request", f"not an enrolment request: {err}") from err


def _run(db: str, do: Callable[[Connection], Enrolment]) -> Enrolment:
    try:
        with connect(db) as conn:
            return do(conn)
    except EnrolmentError as err:
        raise ProblemError(err.code, str(err)) from err
    except psycopg.Error as err:
        raise ProblemError(BUSY, "the database does not answer") from err


def _answer(held: Enrolment, ingest_key: str) -> Response:
    if held.approved is None:
        return Response(
            msgspec.json.encode({"request": held.id, "state": held.state}), 202, media_type="application/json"
        )
    if not held.approved:
        raise ProblemError("rejected", held.reason or "the operator refused")
    body: dict[str, object] = {
        "request": held.id,
        "state": held.state,
        "certificate_pem": held.certificate,
        "ca_pem": held.ca,
        "ingest_key": ingest_key,
    }
    return _json(body, 200)


def _json(body: dict[str, object], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
