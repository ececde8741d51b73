"""The plugin contract's view of a connector. Its behaviour belongs to `connect`."""

from __future__ import annotations

from typing import ClassVar, Protocol


class ConnectorDeclaration(Protocol):
    """A connector class as a plugin provides it: any subclass of `cxflow.Connector`."""

    name: ClassVar[str]
    """Its name in `connector = "…"` of `cxflow.toml`."""
    title: ClassVar[str]
    """The display name."""
