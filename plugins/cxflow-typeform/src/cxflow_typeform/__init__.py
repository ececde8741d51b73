"""The cxflow connector `typeform`: forms and their responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

    from cxflow_typeform.service import TypeformService

__all__ = ["cxflow_connectors", "cxflow_services"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_typeform.connector import Typeform

    return [Typeform]


@hookimpl
def cxflow_services() -> dict[str, Callable[..., TypeformService]]:
    """The imitation of Typeform's API."""
    return {"typeform": _imitation}


def _imitation(**records: Any) -> TypeformService:
    """Made when it is asked for: it needs the extra `sandbox`."""
    from cxflow_typeform.service import TypeformService

    return TypeformService(**records)
