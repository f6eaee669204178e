"""The stand-in for ingest over HTTP(S): the same answers as over MQTT, and refusals as a test wants them."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deploy.pki.authority import Authority
from tests.edge_agent.support import StandInIngest
from verification import sync


class HttpIngest:
    """Serves on a free loopback port between `start` and `stop`; `refusal` is (status, problem) instead of answers."""

    def __init__(self, ingest: StandInIngest, authority: Authority | None = None, port: int = 0) -> None:
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.requests: list[str] = []
        self.clients: list[str] = []
        handler = type("Handler", (_Handler,), {"front": self, "ingest": ingest})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.scheme = "http"
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.folder / "server.pem", authority.folder / "server.key")
            context.load_verify_locations(authority.folder / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self) -> HttpIngest:
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: HttpIngest
    ingest: StandInIngest

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.front.requests.append(self.path)
        if isinstance(self.connection, ssl.SSLSocket):
            (self.front.clients).append(dict(x[0] for x in self.connection.getpeercert()["subject"])["commonName"])
        if self.front.refusal is not None:
            status, problem = self.front.refusal
            self._answer(status, json.dumps(problem).encode(), {"retry-after": "1"} if status == 503 else {})
        elif self.path.endswith("/batches"):
            self._answer(200, self.ingest.acknowledgement(self.ingest.take(body)))
        else:
            question = sync.open_question(body)
            assert question.envelope.signed_by(self.ingest.public_keys[question.envelope.key_id])
            self.ingest.syncs += question.epochs
            self._answer(200, sync.pack_answer([self.ingest.acknowledgement(epoch) for epoch in question.epochs]))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not on the test's screen."""
