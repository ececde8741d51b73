"""An alert: one line for whoever has to act. It quotes no record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gate closed", "late", "volume", "refusals", "KPI changed", "KPIs late"]


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is not as it should be, or that somebody wants to know."""

    kind: Kind
    """What it is about."""
    place: str
    """CONNECTION.STREAM, a KPI, or `kpis`."""
    subject: str
    """What tells it from others of its kind and place: a batch, a day, a period; empty: there is one at a time."""
    text: str
    """What is wrong, in a sentence without its place."""
    look: str = ""
    """The command that shows more."""

    def __str__(self) -> str:
        more = f" (`{self.look}`)" if self.look else ""
        return f"{self.place}: {self.text}{more}"
