"""Puts the HTTP side together: one application for the plants, one for those who watch the process."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from ingest.config import IngestConfig
from ingest.health import Health
from ingest.http import batches, enrol, watch
from ingest.http.door import Door
from ingest.http.problem import ProblemError
from ingest.intake import Intake
from verification import keys


def create_app(config: IngestConfig, intake: Intake, health: Health) -> FastAPI:
    """What agents reach: no page, no documentation, nothing that tells a stranger more than a problem's text."""
    app = FastAPI(title="RetroProof ingest", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(batches.router(Door(intake, health)))
    app.include_router(enrol.router(config.db, keys.public_text(config.signing_key)))
    app.include_router(watch.health_router(health))

    @app.exception_handler(ProblemError)
    async def refuse(_request: Request, problem: ProblemError) -> Response:
        health.metrics.http_refused.labels(problem.code).inc()
        return problem.response()

    return app


def create_watch_app(health: Health) -> FastAPI:
    """What Prometheus and a supervisor reach, on an address of its own."""
    app = FastAPI(title="RetroProof ingest, watched", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(watch.health_router(health))
    app.include_router(watch.metrics_router(health))
    return app
