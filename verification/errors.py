"""The root exception of every room's refusals: says what is wrong and what to do next, in one plain sentence or two."""

from __future__ import annotations


class RetroProofError(Exception):
    """A refusal that a person can act on. What is merely noteworthy is a `Finding`, not an exception."""


class ConfigError(RetroProofError):
    """A file that a person wrote cannot be used as it stands.

    The message names file, line and the nearest right key.
    """


class FormatError(RetroProofError):
    """Bytes that claim to be one of our formats are not; `code` is the reason code that quarantine and reports show."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
