"""A served API with its own database: real uvicorn, real HTTP, real TimescaleDB."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import tokens
from api.app import create_app
from api.config import Settings
from api.database import apply_migrations, connect
from api.tokens import Role
from ingest.database import connect as connect_for_ingest
from ingest.http.listen import listen
from ingest.migrate import migrate
from simulators.timeline import Timeline
from tests.api.plant import DEVICE, ENTERPRISE, FIRST_DAY, PROJECT, MeteredLine, plan_text

START_DEADLINE_S = 20.0


@dataclass
class Served:
    """A running API. `as_role` gives a client that carries a fresh token of that role."""

    url: str
    settings: Settings

    @property
    def db(self) -> str:
        return self.settings.db

    def token(self, role: Role, enterprise: str | None = None, *, days: int = 1) -> str:
        scope = (enterprise or ENTERPRISE) if role is Role.ENTERPRISE else None
        with connect(self.db) as conn:
            return tokens.add(conn, role, f"{role}-1", scope, days=days, now=dt.datetime.now(dt.UTC))

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def as_role(self, role: Role, enterprise: str | None = None) -> httpx.Client:
        return self.client(self.token(role, enterprise))


@pytest.fixture
def settings(database: str) -> Settings:
    """Fresh tables of both rooms, fresh keys."""
    with connect_for_ingest(database) as conn:
        migrate(conn)
    with connect(database) as conn:
        apply_migrations(conn)
    return Settings(
        db=database,
        host="127.0.0.1",
        port=0,
        log_key=Ed25519PrivateKey.generate(),
        engine_key=Ed25519PrivateKey.generate(),
        log_origin="retroproof.test/log",
    )


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """The API on a free loopback port, stopped at the end."""
    with listen(settings.host, 0) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + START_DEADLINE_S
        try:
            while not server.started:
                assert thread.is_alive(), "the server ended before it was up"
                assert time.monotonic() < deadline, "the server did not come up in time"
                thread.join(0.01)
            yield Served(f"http://{settings.host}:{listener.getsockname()[1]}", settings)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def line(settings: Settings) -> MeteredLine:
    """A potline with 40 days before and 40 days after, enrolled, its baseline stored."""
    metered = MeteredLine(settings.db, Timeline(FIRST_DAY, 40, 5, 40))
    metered.enroll()
    metered.deliver_baseline()
    return metered


def new_project(project: str = PROJECT, enterprise: str = ENTERPRISE, device: str = DEVICE) -> dict[str, str]:
    """The body that enters a project."""
    return {
        "id": project,
        "enterprise": enterprise,
        "device": device,
        "title_en": "Hengkang Aluminium, potline 1",
        "title_zh": "恒康铝业电解一系列",
    }


@pytest.fixture
def project(served: Served) -> Callable[[MeteredLine], httpx.Response]:
    """Enters the project of a line and files its plan; gives the answer to the plan."""

    def enter(metered: MeteredLine) -> httpx.Response:
        with served.as_role(Role.ENTERPRISE) as client:
            assert client.post("/api/v1/projects", json=new_project()).status_code == 201
            return file_plan(client, plan_text(metered.timeline))

    return enter


def file_plan(client: httpx.Client, text: str, project: str = PROJECT) -> httpx.Response:
    """File `text` as the plan of `project`."""
    headers = {"Content-Type": "application/yaml"}
    return client.post(f"/api/v1/projects/{project}/plan", content=text.encode(), headers=headers)


@pytest.fixture
def judged(served: Served, line: MeteredLine, project: Callable[[MeteredLine], httpx.Response]) -> dict[str, object]:
    """The whole story: baseline, plan locked, retrofit, reporting period, one run. Gives the run."""
    assert project(line).status_code == 201
    line.deliver_the_rest()
    with served.as_role(Role.EXPERT) as client:
        answer = client.post(f"/api/v1/projects/{PROJECT}/runs")
    assert answer.status_code == 201, answer.text
    run: dict[str, object] = answer.json()
    return run
