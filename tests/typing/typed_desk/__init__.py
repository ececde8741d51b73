"""A whole plugin, written against the public names alone: the exports of an invented help desk, and its KPIs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cxflow import Connector, Kpi, Settings, TextModel, hookimpl
from typed_desk.connector import Desk
from typed_desk.kpis import KPIS
from typed_desk.words import REASONS


@hookimpl
def cxflow_connectors() -> Iterable[type[Connector[Any, Any]]]:
    """The connector `desk`."""
    return [Desk]


@hookimpl
def cxflow_kpis() -> Iterable[Kpi]:
    """What is measured of a desk and the shop beside it."""
    return KPIS


@hookimpl
def cxflow_text_models(settings: Settings) -> Iterable[TextModel]:
    """Why customers write, where the project scores texts at all."""
    return [REASONS] if settings.words.enabled else []
