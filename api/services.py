"""What every request handler needs: the settings and the log, made once when the application is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.config import Settings
from api.log import Log


@dataclass(frozen=True, slots=True)
class Services:
    """Shared by all requests; holds no connection and no state of its own."""

    settings: Settings
    log: Log

    @property
    def db(self) -> str:
        """Where the database is."""
        return self.settings.db


def services_of(request: Request) -> Services:
    """The services of the application that this request came to."""
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]
