"""What strangers meet: bounded bodies, strict headers, errors that help and leak nothing, a database that is away."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from api.app import create_app
from api.config import Settings
from api.database import connect
from api.middleware import MAX_BODY_BYTES
from api.tokens import Role
from api.web.operations import OPERATIONS_ZH
from tests.api.conftest import Served, file_plan, new_project
from tests.api.plant import PROJECT
from tests.api.test_access import ask

PLAN = f"/api/v1/projects/{PROJECT}/plan"


def test_every_answer_carries_the_strict_headers(served: Served) -> None:
    with served.client() as client:
        for path in ("/login", "/docs", "/health", "/static/style.css", "/api/v1/projects", "/nowhere"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == ("public, max-age=3600" if path.startswith("/static/") else "no-store")


def test_a_body_up_to_the_bound_is_read_and_one_byte_more_is_not(served: Served) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        within = file_plan(client, "x" * MAX_BODY_BYTES)
        beyond = file_plan(client, "x" * (MAX_BODY_BYTES + 1))
    assert within.status_code == 404  # read, and then there is no such project
    assert (beyond.status_code, beyond.json()["error"]) == (413, "body_too_large")


def test_a_body_without_a_stated_length_is_bounded_as_it_comes_in(served: Served) -> None:
    def pour() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b"x" * 65_536

    with served.as_role(Role.ENTERPRISE) as client:
        answer = client.post(PLAN, content=pour(), headers={"Content-Type": "application/yaml"})
    assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")


MALFORMED = [
    ("id", "Has Capitals"),
    ("id", "../etc"),
    ("id", "x" * 64),
    ("title_en", ""),
    ("title_zh", "x" * 201),
    ("more", "1"),
]


def test_a_project_with_a_malformed_field_is_refused_by_name(served: Served) -> None:
    with served.as_role(Role.OPERATOR) as client:
        for field, value in MALFORMED:
            answer = client.post("/api/v1/projects", json=new_project() | {field: value})
            assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")
            assert f"body.{field}" in answer.json()["message"]


def test_an_unknown_address_is_json_for_programs_and_a_page_for_people(served: Served) -> None:
    with served.client() as client:
        for_programs, for_people = client.get("/api/v1/nowhere"), client.get("/nowhere?lang=zh")
        wrong_method = client.delete("/api/v1/projects")
    assert for_programs.status_code == for_people.status_code == 404
    assert for_programs.json()["error"] == "not_found"
    assert "没有该页面" in for_people.text
    assert (wrong_method.status_code, wrong_method.json()["error"]) == (405, "method_not_allowed")


def test_a_mistake_of_ours_is_told_without_a_trace_of_the_inside(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/api/v1/broken", openapi_extra={"x-roles": ["anyone"]})
    def broken() -> str:
        raise ZeroDivisionError("secret detail")

    answer = ask(app, "/api/v1/broken", "rp_none")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_is_away_is_503_and_the_server_stays_healthy(settings: Settings) -> None:
    nowhere = dataclasses.replace(settings, db="postgresql://nobody@127.0.0.1:1/none")
    app = create_app(nowhere)
    for path in ("/ready", "/api/v1/projects"):
        answer = ask(app, path, "rp_none")
        assert (answer.status_code, answer.json()["error"]) == (503, "database_away")
    assert ask(app, "/health", "rp_none").json() == {"status": "ok"}


def test_ready_says_so_with_all_tables_and_names_the_command_without(served: Served, plain_database: str) -> None:
    with served.client() as client:
        assert client.get("/ready").json() == {"status": "ok"}
    empty = create_app(dataclasses.replace(served.settings, db=plain_database))
    answer = ask(empty, "/ready", "rp_none")
    assert (answer.status_code, answer.json()["error"]) == (503, "not_migrated")
    assert "retroproof db migrate && retroproof api migrate" in answer.json()["message"]
    with connect(served.db) as conn:
        conn.execute("UPDATE dossier.schema_migration SET sha256 = 'x'")
    with served.client() as client:
        edited = client.get("/ready")
    assert (edited.status_code, edited.json()["error"]) == (503, "not_migrated")


def test_the_description_names_every_call_with_its_roles_and_its_page_loads_nothing_from_elsewhere(
    served: Served,
) -> None:
    with served.client() as client:
        description = client.get("/api/v1/openapi.json").json()
        page = client.get("/docs").text
        chinese = client.get("/docs?lang=zh").text
    calls = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert calls == set(OPERATIONS_ZH)
    for text in OPERATIONS_ZH.values():
        assert all(paragraph in chinese for paragraph in text.split("\n\n"))
        assert text.split("\n\n")[0] not in page
    assert "Every run of the project, the newest first." in page
    assert "Every run of the project, the newest first." not in chinese
    assert description["paths"]["/api/v1/projects/{project_id}/runs"]["post"]["x-roles"] == ["expert"]
    for path, methods in description["paths"].items():
        assert path in page
        assert all(operation["x-roles"] for operation in methods.values())
    assert "<script" not in page
    assert "http://" not in page.replace('"http://www.w3.org/2000/svg"', "")
    assert "https://" not in page
