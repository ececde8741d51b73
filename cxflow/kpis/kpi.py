"""The declaration of a KPI. Plugins write `Kpi(…)`; the calculator and the catalogue read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from cxflow.errors import ConfigError
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.facts import Rows
from cxflow.kpis.periods import GRAINS, Grain
from cxflow.model.kpi import KpiDeclaration
from cxflow.model.names import nearest
from cxflow.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """What a KPI is: everything that the catalogue says of it, and its only formula.

    ```python
    nps = Kpi(
        name="nps", title="Net Promoter Score", unit="points", better="higher", lowest=-100, highest=100,
        formula="100 × (share of 9–10 − share of 0–6)",
        of=Net(answers("nps"), plus=score >= 9, minus=score <= 6),
    )
    ```
    """

    name: str
    """Unique among all KPIs, snake_case, unit and clock in it where they could be mistaken."""
    title: str
    """For people."""
    unit: str
    """points, share (0 to 1), seconds, minutes, per 100 orders, or the project's currency."""
    better: Literal["higher", "lower"]
    """Which way is good, for whoever colours a change."""
    formula: str
    """In words."""
    of: Estimator | Callable[[Settings], Estimator]
    """How it is measured; a function of the settings where it depends on them."""
    version: int = 1
    """Raised when the formula changes: values of different versions are never compared."""
    lowest: float | None = None
    """Smallest possible value; intervals are cut there."""
    highest: float | None = None
    """Largest possible value; likewise."""
    grains: tuple[Grain, ...] = GRAINS
    """The periods for which it makes sense."""
    dimensions: tuple[str, ...] | None = None
    """What it may be sliced by, where that is less than what its fact offers."""
    needs: Rows | None = None
    """A SELECT without whose rows there is nothing to measure: no returns source, no return rate, not one of
    0. From its first row on, all periods are computed; and should all rows go again, 0 is what is true."""
    check: Callable[[Connection, Settings], None] | None = None
    """Called before anything is written; raises ConfigError where the settings do not fit the data."""

    def estimator(self, settings: Settings) -> Estimator:
        """How it is measured under these settings."""
        return self.of if isinstance(self.of, Estimator) else self.of(settings)

    def offers(self, settings: Settings) -> tuple[str, ...]:
        """What it may be sliced by, in order of name; `signal.` stands for every signal of the touchpoint.

        Raises ConfigError where it declares a dimension that its fact does not have.
        """
        offered = self.estimator(settings).sliced.dimensions
        if self.dimensions is None:
            return tuple(sorted(offered))
        for name in self.dimensions:
            if name not in offered:
                raise ConfigError(
                    f"the KPI {self.name!r} declares the dimension {name!r}, which its fact does not offer"
                    f"{nearest(name, offered)}",
                    value=name,
                    fix=f"its fact offers: {', '.join(sorted(offered))}",
                )
        return tuple(sorted(self.dimensions))


def checked(declared: Mapping[str, KpiDeclaration]) -> dict[str, Kpi]:
    """The plugins' KPIs, known to be `Kpi`s. Raises ConfigError for one that is something else."""
    found = {}
    for name, kpi in declared.items():
        if not isinstance(kpi, Kpi):
            raise ConfigError(
                f"the KPI {name!r} is a {type(kpi).__name__}", value=name, fix="declare it with cxflow.Kpi"
            )
        found[name] = kpi
    return found
