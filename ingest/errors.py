"""What ingest refuses, in words that an operator can act on."""

from __future__ import annotations

from verification.errors import RetroProofError


class IngestError(RetroProofError):
    """An order to ingest or to its database that cannot be carried out as it stands."""


class ClockBehindError(IngestError):
    """This machine's clock is behind the database's, so that what is right would be refused."""


class TakenOverError(IngestError):
    """Another client came to the broker by our client id, and will again if we do."""
