"""The platform's HTTP API as the demonstration uses it: a few calls over the standard library, on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from deploy.local.errors import DeployError

TIMEOUT_S = 120.0


class PlatformClient:
    """Calls under one access token. Raises DeployError with the platform's own words when a call is refused."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url
        self._token = token

    def answers(self) -> bool:
        """Whether the API is up."""
        try:
            self.bytes("/health")
        except DeployError:
            return False
        return True

    def json(self, path: str, body: object = None, *, yaml: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """GET, or POST of `body` as JSON or of `yaml` as it stands; the answer parsed."""
        if yaml is not None:
            return json.loads(self.bytes(path, yaml.encode(), "application/yaml"))
        if body is not None:
            return json.loads(self.bytes(path, json.dumps(body).encode(), "application/json"))
        return json.loads(self.bytes(path))

    def text(self, path: str) -> str:
        """GET, the answer as text."""
        return self.bytes(path).decode()

    def bytes(self, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        """GET, or POST of `body`; the answer as it came."""
        request = urllib.request.Request(self._url + path, data=body)  # noqa: S310 - http to our own stack
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        if content_type:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as err:
            said = err.read().decode(errors="replace")
            raise DeployError(f"{path}: the platform answers {err.code}: {said}") from err
        except OSError as err:
            raise DeployError(f"{path}: the platform does not answer: {err}") from err
