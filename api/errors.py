"""What the API refuses, with the HTTP status, a stable code for programs and a sentence that says what to do
next.
"""

from __future__ import annotations

from verification.errors import RetroProofError


class ApiError(RetroProofError):
    """A refusal of one request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def not_found(what: str) -> ApiError:
    """The answer for a thing that is not there, and also for one that the caller may not know of."""
    return ApiError(404, "not_found", f"There is no {what} that you may see; list the projects to find the right id.")


class LogTamperedError(RetroProofError):
    """The stored log no longer is what was signed: nothing more may be signed until a person has looked."""
