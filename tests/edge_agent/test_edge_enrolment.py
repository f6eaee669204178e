"""Enrolment at an address where somebody else answers than ingest: said in words, and nothing is written."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edge_agent.identity.enrolment import enrol
from verification.errors import ConfigError


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"ok": true}'),
        (202, b"{}"),
        (200, b"[]"),
        (202, b'{"request": "abc"}'),
        (202, b'{"request": null}'),
        (200, b""),
        (200, b"<html></html>"),
        (302, b"moved"),
    ],
)
def test_an_answer_that_is_not_ingest_s_asks_for_the_address(tmp_path, status, body):
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(ConfigError, match="does not answer as ingest does; is the address right"):
            enrol(url, "box-1.secret", tmp_path, ca_file=None, wait_s=0.0, report=lambda _: None)
        server.shutdown()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edge.key", "tls.key"]
