"""Texts in English or Spanish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cxflow.kpis.kpi import Kpi


@dataclass(frozen=True, slots=True)
class Wording:
    """Chooses the texts of one language."""

    language: Literal["en", "es"]

    def __call__(self, english: str, spanish: str) -> str:
        """The text of the language."""
        return spanish if self.language == "es" else english

    def title(self, kpi: Kpi) -> str:
        """A KPI's title."""
        return self(kpi.title, kpi.title_es or kpi.title)

    def description(self, kpi: Kpi) -> str:
        """What a KPI tells."""
        english = kpi.description or kpi.formula
        return self(english, kpi.description_es or kpi.description or self.formula(kpi))

    def formula(self, kpi: Kpi) -> str:
        """A KPI's formula in words."""
        return self(kpi.formula, kpi.formula_es or kpi.formula)
