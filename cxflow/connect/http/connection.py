"""The settings of a connection to an HTTP service."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from pydantic import Field

from cxflow.model.secret import Secret
from cxflow.settings import Connection


class HttpConnection(Connection):
    """A connection to an HTTP service."""

    account_settings: ClassVar[tuple[str, ...]] = ("base_url",)
    base_url: str | None = None
    """Another address of the service: a region, a sandbox. Unset: the service's own."""
    private_network: bool = False
    """Whether the service may be in a private network, and without encryption."""
    timeout_seconds: float = Field(default=60, gt=0)
    """How long the service may take to connect, and between the bytes of an answer."""
    wait_seconds: float = Field(default=900, gt=0)
    """The longest pause that the service may ask for; a longer one ends the run, and the next run goes on there."""

    def credentials(self) -> str:
        """A hash of its secrets, which tells accounts at one address apart. Reads them, so that one that is missing is
        told, and all are masked from now on. Raises ConfigError."""
        secrets = [
            value.reveal(f"connections.{self.name}.{setting}").get_secret_value()
            for setting, value in self
            if isinstance(value, Secret)
        ]
        return hashlib.sha256("\0".join(secrets).encode()).hexdigest()


class OAuthConnection(HttpConnection):
    """A connection whose credentials may be an OAuth application's."""

    account_settings: ClassVar[tuple[str, ...]] = ("base_url", "client_id")
    client_id: str | None = None
    """The OAuth application's identifier."""
    client_secret: Secret | None = None
    """The OAuth application's secret."""
    refresh_token: Secret | None = None
    """The refresh token that the authorisation gave. A service may replace it with every use: cxflow keeps the new
    one."""
