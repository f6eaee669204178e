"""Who may do what: no token, wrong role, another enterprise, an ended token; and a route that states nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api import tokens
from api.app import create_app
from api.auth import ANYONE, ROLES_KEY
from api.config import Settings
from api.database import connect
from api.tokens import Role
from tests.api.conftest import Served, new_project
from tests.api.plant import DEVICE, PROJECT
from verification.errors import RetroProofError

PUBLIC_PATHS = {"/health", "/ready", "/login", "/logout", "/docs", "/api/v1/openapi.json", "/static/{name}"}
EXAMPLES = {"project_id": PROJECT, "number": "1", "index": "0", "old_size": "1", "name": "style.css"}
READING = {"enterprise", "expert", "auditor"}
EVERYBODY = READING | {"operator"}
ALLOWED = {
    ("GET", "/"): READING,
    ("GET", "/projects/{project_id}"): READING,
    ("GET", "/api/v1/projects"): EVERYBODY,
    ("POST", "/api/v1/projects"): {"enterprise", "operator"},
    ("GET", "/api/v1/projects/{project_id}"): EVERYBODY,
    ("GET", "/api/v1/projects/{project_id}/coverage"): EVERYBODY,
    ("POST", "/api/v1/projects/{project_id}/plan"): {"enterprise"},
    ("GET", "/api/v1/projects/{project_id}/plan"): READING,
    ("GET", "/api/v1/projects/{project_id}/plan.yaml"): READING,
    ("POST", "/api/v1/projects/{project_id}/runs"): {"expert"},
    ("GET", "/api/v1/projects/{project_id}/runs"): READING,
    ("GET", "/api/v1/projects/{project_id}/runs/{number}"): READING,
    ("GET", "/api/v1/projects/{project_id}/runs/{number}/result"): READING,
    ("GET", "/api/v1/projects/{project_id}/runs/{number}/findings"): READING,
    ("GET", "/api/v1/projects/{project_id}/runs/{number}/package.zip"): READING,
    ("GET", "/api/v1/log/checkpoint"): EVERYBODY,
    ("GET", "/api/v1/log/entries"): {"expert", "auditor"},
    ("GET", "/api/v1/log/inclusion/{index}"): {"expert", "auditor"},
    ("GET", "/api/v1/log/consistency/{old_size}"): {"expert", "auditor"},
    ("GET", "/api/v1/keys"): EVERYBODY,
}


def every_route(app: FastAPI) -> list[tuple[str, str, list[str]]]:
    """Method, path and stated roles of everything that the application serves."""
    return [
        (method, str(route.path), (route.openapi_extra or {}).get(ROLES_KEY, []))
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
    ]


def address(path: str) -> str:
    return path.format(**EXAMPLES)


def test_the_routes_are_those_listed_here_and_each_states_the_roles_listed_here(settings: Settings) -> None:
    stated = {(method, path): set(roles) for method, path, roles in every_route(create_app(settings))}
    private = {key: roles for key, roles in stated.items() if roles != {ANYONE}}
    assert private == ALLOWED
    assert {path for method, path in stated.keys() - private.keys()} == PUBLIC_PATHS


def test_without_a_token_every_private_route_answers_401(served: Served) -> None:
    with served.client() as client:
        for method, path in ALLOWED:
            answer = client.request(method, address(path))
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", list(Role))
def test_with_a_role_that_is_not_stated_every_route_answers_403(served: Served, role: Role) -> None:
    with served.as_role(role) as client:
        for (method, path), allowed in ALLOWED.items():
            answer = client.request(method, address(path))
            assert (answer.status_code == 403) == (role not in allowed), (method, path, answer.status_code)


def test_a_route_that_states_no_role_is_closed_to_everybody(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/forgotten")
    def forgotten() -> str:
        return "open"

    with connect(settings.db) as conn:
        now = dt.datetime.now(dt.UTC)
        held = tokens.add(conn, Role.OPERATOR, "operator-1", None, days=1, now=now)
    answer = ask(app, "/forgotten", held)
    assert answer.status_code == 403
    assert "open" not in answer.text


def ask(app: FastAPI, path: str, token: str) -> httpx.Response:
    import asyncio  # noqa: PLC0415 - this one test needs no server

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers={"Authorization": f"Bearer {token}"})

    return asyncio.run(call())


@pytest.mark.usefixtures("line")
def test_an_enterprise_sees_its_own_projects_and_others_look_missing(served: Served) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        assert [project["id"] for project in client.get("/api/v1/projects").json()] == [PROJECT]
    with served.as_role(Role.ENTERPRISE, "yangshao") as other:
        assert other.get("/api/v1/projects").json() == []
        hidden, missing = other.get(f"/api/v1/projects/{PROJECT}"), other.get("/api/v1/projects/not-there")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.text.replace(PROJECT, "") == missing.text.replace("not-there", "")
        for path in (f"/projects/{PROJECT}", f"/api/v1/projects/{PROJECT}/coverage"):
            assert other.get(path).status_code == 404
        assert DEVICE not in other.get("/api/v1/keys").text


@pytest.mark.usefixtures("line")
def test_an_enterprise_cannot_enter_a_project_for_another_or_over_anothers_device(served: Served) -> None:
    with served.as_role(Role.ENTERPRISE, "yangshao") as other:
        assert other.post("/api/v1/projects", json=new_project()).json()["error"] == "other_enterprise"
        stolen = other.post("/api/v1/projects", json=new_project(enterprise="yangshao"))
        assert (stolen.status_code, stolen.json()["error"]) == (422, "unknown_device")
    with served.as_role(Role.OPERATOR) as operator:
        assert operator.post("/api/v1/projects", json=new_project()).status_code == 201
        assert operator.post("/api/v1/projects", json=new_project()).json()["error"] == "project_exists"


def test_a_token_ends_when_it_expires_or_is_revoked_and_takes_its_sessions_with_it(served: Served) -> None:
    held = served.token(Role.AUDITOR)
    now = dt.datetime.now(dt.UTC)
    with connect(served.db) as conn:
        session = tokens.open_session(conn, held, now=now)
        last, first_after = now + dt.timedelta(days=1, seconds=-5), now + dt.timedelta(days=1)
        assert tokens.holder(conn, held, now=last) is not None
        assert tokens.holder(conn, held, now=first_after) is None
        last = now + tokens.SESSION_LENGTH - dt.timedelta(seconds=1)
        assert tokens.session_holder(conn, session, now=last) is not None
        assert tokens.session_holder(conn, session, now=now + tokens.SESSION_LENGTH) is None
        [row] = tokens.list_all(conn)
        tokens.revoke(conn, row.id, now=now)
        assert tokens.holder(conn, held, now=now) is None
        assert tokens.session_holder(conn, session, now=now) is None
        with pytest.raises(RetroProofError, match="token list"):
            tokens.revoke(conn, row.id, now=now)


def test_a_subject_fits_a_log_entry_and_a_token_a_bounded_time(settings: Settings) -> None:
    now = dt.datetime.now(dt.UTC)
    with connect(settings.db) as conn:
        tokens.add(conn, Role.AUDITOR, "Zoe\u0308 " + "x" * 95, None, days=tokens.MAX_DAYS, now=now)
        [row] = tokens.list_all(conn)
        assert row.subject == "Zo\u00eb " + "x" * 95
        for subject, days in (
            ("x" * 101, 1),
            ("", 1),
            (" ", 1),
            ("a\nb", 1),
            ("x", 0),
            ("x", tokens.MAX_DAYS + 1),
        ):
            with pytest.raises(RetroProofError, match="A token has a subject"):
                tokens.add(conn, Role.AUDITOR, subject, None, days=days, now=now)


def test_the_database_holds_no_token_and_no_session_in_the_clear(served: Served) -> None:
    held = served.token(Role.AUDITOR)
    with connect(served.db) as conn:
        session = tokens.open_session(conn, held, now=dt.datetime.now(dt.UTC))
        stored: list[Any] = conn.execute("SELECT t::text, s::text FROM dossier.token t, dossier.session s").fetchall()
    assert held not in str(stored)
    assert session not in str(stored)


def test_a_header_that_carries_no_valid_token_opens_nothing(served: Served) -> None:
    with served.client() as client:
        for header in ("Bearer", "Basic eDp5", "Bearer " + "x" * 201, "Bearer rp_wrong"):
            answer = client.get("/api/v1/projects", headers={"Authorization": header})
            assert answer.status_code == 401, header


def test_signing_in_gives_a_session_that_reads_but_changes_nothing(served: Served) -> None:
    held = served.token(Role.OPERATOR)
    with served.client() as browser:
        answer = browser.post("/login", data={"token": held, "next": "/projects/x"})
        cookie = answer.headers["set-cookie"]
        assert (answer.status_code, answer.headers["location"]) == (303, "/projects/x")
        assert held not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert browser.get("/api/v1/projects").status_code == 200
        assert browser.post("/api/v1/projects", json=new_project()).status_code == 401
        session = browser.cookies["retroproof_session"]
        assert browser.post("/logout").status_code == 303
        browser.cookies.set("retroproof_session", session)
        ended = browser.get("/api/v1/projects")
        assert ended.status_code == 401
        assert "sign in again at /login" in ended.json()["message"]


def test_signing_in_leads_to_no_other_server(served: Served) -> None:
    token = served.token(Role.AUDITOR)
    with served.client() as browser:
        for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "/a\nb", ""):
            answer = browser.post("/login", data={"token": token, "next": elsewhere})
            assert answer.headers["location"] == "/", elsewhere


def test_a_wrong_token_does_not_lose_the_page_that_was_asked_for(served: Served) -> None:
    wanted = "/projects/x"
    with served.client() as browser:
        assert f'name="next" value="{wanted}"' in browser.get(wanted).text
        again = browser.post("/login", data={"token": "rp_wrong", "next": wanted}).text
        assert f'name="next" value="{wanted}"' in again
        elsewhere = browser.post("/login", data={"token": "rp_wrong", "next": "https://evil.example/"}).text
        assert 'name="next" value="/"' in elsewhere


def test_a_wrong_token_at_the_form_is_refused_in_words(served: Served) -> None:
    with served.client() as browser:
        answer = browser.post("/login?lang=zh", data={"token": "rp_wrong"})
    assert answer.status_code == 401
    assert "令牌无效" in answer.text
    assert "retroproof_session" not in answer.headers.get("set-cookie", "")
