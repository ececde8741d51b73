"""The plugin contract's view of an imitation of a vendor's API. It is served by `testing.service`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ServiceDeclaration(Protocol):
    """An imitation of a vendor's API as a plugin provides it, with the records that it answers with."""

    def application(self) -> Any:
        """The ASGI application."""

    def connection(self, url: str, /) -> dict[str, Any]:
        """The settings of a connection to it, as in `cxflow.toml`, where it is served at this URL."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that such a connection needs: its invented secrets."""
