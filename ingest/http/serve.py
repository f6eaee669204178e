"""Runs the HTTP applications beside the worker, each in a thread of its own, until the worker ends."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ingest.config import IngestConfig, Listen
from ingest.health import Health
from ingest.http.app import create_app, create_watch_app
from ingest.http.listen import listen
from ingest.http.prompt import PromptProtocol
from ingest.intake import Intake
from verification.errors import ConfigError

STOP_S = 5
MAX_CONNECTIONS = 1_000
IDLE_S = 75  # longer than the usual proxy keeps a connection, so that the proxy ends it, not we


@contextmanager
def serving(config: IngestConfig, intake: Intake, health: Health) -> Iterator[list[str]]:
    """Serve what the configuration names; yields the addresses. Raises ConfigError where it cannot listen."""
    apps = [(config.http, create_app(config, intake, health)), (config.watch, create_watch_app(health))]
    # Everything that can fail comes before the first thread: a thread that is left would hold the process.
    ready = [_prepare(where, app) for where, app in apps if where is not None]
    running = [(server, _start(server, listener), address) for server, listener, address in ready]
    try:
        yield [address for _, _, address in running]
    finally:
        for server, _, _ in running:
            server.should_exit = True
        for _, thread, _ in running:
            thread.join()


def _prepare(where: Listen, app: FastAPI) -> tuple[uvicorn.Server, socket.socket, str]:
    """A server that only has to be run, its socket, which listens, and its address."""
    options = uvicorn.Config(
        app,
        http=PromptProtocol,
        log_level="warning",
        log_config=None,  # the command sets up logging for all
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=where.cert_file,
        ssl_keyfile=where.key_file,
        ssl_ca_certs=str(where.client_ca_file) if where.client_ca_file else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if where.client_ca_file else ssl.CERT_NONE,
    )
    try:
        options.load()
    except OSError as err:  # ssl.SSLError is one
        raise ConfigError(f"{where.cert_file}, {where.key_file}: not a certificate with its key: {err}") from err
    listener = listen(where.host, where.port)
    scheme = "https" if where.cert_file else "http"
    return uvicorn.Server(options), listener, f"{scheme}://{where.host}:{listener.getsockname()[1]}"


def _start(server: uvicorn.Server, listener: socket.socket) -> threading.Thread:
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
    thread.start()
    return thread
