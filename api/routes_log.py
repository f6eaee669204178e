"""/api/v1/log and /api/v1/keys: what an auditor needs to hold this platform to its word."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api import devices, dossier, schemas
from api.auth import Caller, allow
from api.clock import utc_now
from api.database import connect
from api.errors import ApiError
from api.log import MAX_ENTRIES_PER_PAGE, stored_entries
from api.routes_projects import EVERYONE, REFUSALS
from api.services import Here
from api.tokens import Role
from verification import keys
from verification.evidence import merkle

router = APIRouter(prefix="/api/v1", responses=REFUSALS)
Index = Annotated[int, Path(ge=0)]


@router.get("/log/checkpoint", response_class=Response, openapi_extra=EVERYONE)
def show_checkpoint(here: Here) -> Response:
    """The log's size and root, signed now (C2SP tlog-checkpoint). Keep it: a later log must agree with it."""
    with connect(here.db) as conn:
        return Response(here.log.open(conn).sign(signed_at=utc_now()), media_type="text/plain; charset=utf-8")


@router.get("/log/entries", openapi_extra=allow(Role.EXPERT, Role.AUDITOR))
def list_entries(
    here: Here,
    start: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES_PER_PAGE)] = 100,
) -> list[schemas.EntryOut]:
    """Entries of the log from `start` on."""
    with connect(here.db) as conn:
        return [
            schemas.EntryOut(
                index=entry.index,
                entry=entry.data.decode(),
                leaf_sha256=entry.leaf_hash.hex(),
                logged_at=entry.logged_at,
            )
            for entry in stored_entries(conn, start=start, limit=limit)
        ]


@router.get("/log/inclusion/{index}", openapi_extra=allow(Role.EXPERT, Role.AUDITOR))
def show_inclusion(here: Here, index: Index) -> schemas.InclusionOut:
    """The proof that entry `index` is in the log, with a checkpoint to hold it against."""
    with connect(here.db) as conn:
        opened = here.log.open(conn)
        if index >= len(opened.leaves):
            raise ApiError(404, "not_found", f"The log has {len(opened.leaves)} entries, counted from 0.")
        return schemas.InclusionOut(
            index=index,
            size=len(opened.leaves),
            leaf_sha256=opened.leaves[index].hex(),
            path=[node.hex() for node in merkle.inclusion_proof(index, opened.leaves)],
            root=merkle.root(opened.leaves).hex(),
            checkpoint=opened.sign(signed_at=utc_now()).decode(),
        )


@router.get("/log/consistency/{old_size}", openapi_extra=allow(Role.EXPERT, Role.AUDITOR))
def show_consistency(here: Here, old_size: Annotated[int, Path(ge=1)]) -> schemas.ConsistencyOut:
    """The proof that the log of `old_size` entries, whose checkpoint you kept, is the beginning of today's."""
    with connect(here.db) as conn:
        opened = here.log.open(conn)
        if old_size > len(opened.leaves):
            raise ApiError(404, "not_found", f"The log has {len(opened.leaves)} entries only; it was never longer.")
        return schemas.ConsistencyOut(
            old_size=old_size,
            size=len(opened.leaves),
            path=[node.hex() for node in merkle.consistency_proof(old_size, opened.leaves)],
            root=merkle.root(opened.leaves).hex(),
            checkpoint=opened.sign(signed_at=utc_now()).decode(),
        )


@router.get("/keys", response_class=Response, openapi_extra=EVERYONE)
def show_keys(here: Here, caller: Caller) -> Response:
    """The public keys as the trust file that `retroproof check --trust` reads, with the devices of your
    projects.

    Fetch it once and keep it; compare the fingerprints by telephone or on paper where it matters.
    """
    lines = [
        "# Public keys of this platform, for: retroproof check PACKAGE --trust THIS_FILE",
        f"# The log signs as {here.settings.log_origin}",
        f"engine {keys.public_text(here.settings.engine_key)}",
        f"log {keys.public_text(here.settings.log_key)}",
    ]
    with connect(here.db) as conn:
        for device in sorted({project.device for project in dossier.list_projects(conn, caller)}):
            # Also those that have ended: what they signed before still counts, and packages have it.
            lines += [f"device/{device} {key.key}" for key in devices.signing_keys(conn, device)]
    return Response("\n".join([*lines, ""]), media_type="text/plain; charset=utf-8")
