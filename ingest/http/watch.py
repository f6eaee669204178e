"""How an ingest process fares: alive, able to work, and its figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ingest.health import Health


def health_router(health: Health) -> APIRouter:
    """Pages for a supervisor and a load balancer."""
    routes = APIRouter()

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @routes.get("/readyz")
    async def ready() -> Response:
        """200 while it can commit what arrives, else 503 and what is missing."""
        lacking = health.lacking
        body = {"status": "not ready", "lacking": lacking} if lacking else {"status": "ready"}
        return JSONResponse(body, 503 if lacking else 200)

    return routes


def metrics_router(health: Health) -> APIRouter:
    """The figures; on an address of their own, because they are not for the plants."""
    routes = APIRouter()

    @routes.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(health.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
