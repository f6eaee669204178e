"""What HTTP refuses: a problem (RFC 9457 in form) with a stable code, what is wrong, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fastapi import Response

from ingest.admission import Code
from verification.errors import RetroProofError

MEDIA_TYPE = "application/problem+json"
BUSY = "busy"
RETRY_AFTER_S = 5

# By code: the HTTP status and what the sender can do. Only what cannot be attributed to a device is refused by status;
# a refused batch of a proven device is kept, and its acknowledgement names it.
_PROBLEMS: Mapping[str, tuple[int, str]] = {
    Code.UNDECODABLE: (400, "send the bytes as the agent sealed them; the format is in docs/reference/batch.md"),
    Code.BOUND_EXCEEDED: (413, "put fewer rows into a batch; the bounds are in docs/reference/batch.md"),
    Code.UNKNOWN_DEVICE: (403, "have the operator enrol the device: retroproof ingest enroll --help"),
    Code.REVOKED_DEVICE: (403, "enrol the device under a new id: retroproof ingest enroll --help"),
    Code.UNKNOWN_KEY: (403, "have the operator add this key to the device: retroproof ingest enroll --help"),
    Code.KEY_NOT_VALID_AT_SIGNING: (403, "sign with a key that counts now; see: retroproof edge rotate-key --help"),
    Code.BAD_SIGNATURE: (403, "the bytes were changed on the way, or another key signed them; send the batch again"),
    Code.CLOCK_IMPLAUSIBLE: (403, "set the agent's clock; a question counts for ten minutes around its signing"),
    "bad_request": (400, "send token, device, csr_pem and signing_key as JSON; see: retroproof edge enroll --help"),
    "bad_token": (403, "ask the operator for a token: retroproof ingest enrolment token --help"),
    "wrong_device": (403, "ask the operator for a token of this device: retroproof ingest enrolment token --help"),
    "token_taken": (409, "if this was not you, tell the operator at once: somebody else used your token"),
    "rejected": (403, "ask the operator why, and for a new token"),
    BUSY: (503, f"send it again after {RETRY_AFTER_S} seconds; nothing was lost, a repeat does no harm"),
}


class ProblemError(RetroProofError):
    """A refusal of one request; `code` picks status and advice."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def response(self) -> Response:
        """The answer to the client."""
        status, advice = _PROBLEMS[self.code]
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}  # noqa: PLR2004 - HTTP's own number
        body = {"code": self.code, "detail": str(self), "next": advice}
        return Response(json.dumps(body, ensure_ascii=False), status, headers, MEDIA_TYPE)
