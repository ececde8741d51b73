"""What the plugin contract knows of a connector; what it does belongs to `connect`."""

from __future__ import annotations

from typing import ClassVar, Protocol


class ConnectorDeclaration(Protocol):
    """A connector class as a plugin hands it over: a subclass of `cxflow.Connector` is one."""

    name: ClassVar[str]
    """What `connector = "…"` says in `cxflow.toml`."""
    title: ClassVar[str]
    """For people."""
