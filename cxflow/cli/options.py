"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Names = Annotated[
    list[str] | None, typer.Argument(metavar="CONNECTION[.STREAM]", help="Which ones; all unless given.")
]
"""Connections or streams; none means all."""

NoKpis = Annotated[bool, typer.Option("--no-kpis", help="Leave out customers, KPIs and views.")]
