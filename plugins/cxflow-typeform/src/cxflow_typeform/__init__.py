"""The cxflow connector `typeform`: forms and their responses."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_typeform.connector import Typeform

__all__ = ["Typeform", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [Typeform]
