"""A whole plugin, written against the public names alone: the exports of an invented help desk, and its KPIs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cxflow import Connector, Kpi, hookimpl
from typed_desk.connector import Desk
from typed_desk.kpis import KPIS


@hookimpl
def cxflow_connectors() -> Iterable[type[Connector[Any, Any]]]:
    """The connector `desk`."""
    return [Desk]


@hookimpl
def cxflow_kpis() -> Iterable[Kpi]:
    """What is measured of a desk and the shop beside it."""
    return KPIS
