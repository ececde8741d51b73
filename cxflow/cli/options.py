"""Options and arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cxflow.cli import completion

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONNECTION[.STREAM]",
        help="Connections or streams; default: all.",
        autocompletion=completion.streams,
    ),
]
"""Connections or streams; none means all."""

NoKpis = Annotated[bool, typer.Option("--no-kpis", help="Skip customers, KPIs and views.")]


class _Language(StrEnum):
    en = "en"
    es = "es"


Language = Annotated[_Language | None, typer.Option(help="English or Spanish; default: report.language.")]
