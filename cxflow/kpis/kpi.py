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
    """A KPI: its catalogue entry and its only formula.

    ```python
    nps = Kpi(
        name="nps", title="Net Promoter Score", unit="points", better="higher", lowest=-100, highest=100,
        formula="100 × (share of 9–10 − share of 0–6)",
        of=Net(answers("nps"), plus=score >= 9, minus=score <= 6),
    )
    ```
    """

    name: str
    """Unique among all KPIs, in snake_case, with unit and clock if they could be mistaken."""
    title: str
    """The display name."""
    title_es: str = ""
    """The same in Spanish; empty: as in English."""
    description: str = ""
    """What it tells a manager, in a sentence or two; empty: its formula says enough."""
    description_es: str = ""
    """The same in Spanish; empty: as in English."""
    unit: str
    """points, share (0 to 1), seconds, minutes, per 100 orders, or the project's currency."""
    better: Literal["higher", "lower", "neither"]
    """Which way is good, for whoever colours a change; neither: of a plain number, such as of touchpoints."""
    formula: str
    """The formula in words."""
    formula_es: str = ""
    """The same in Spanish; empty: as in English."""
    of: Estimator | Callable[[Settings], Estimator]
    """How it is measured, or a function of the settings if it depends on them."""
    version: int = 1
    """Increase it when the formula changes: values of different versions are never compared."""
    lowest: float | None = None
    """Smallest possible value; intervals are clipped to it."""
    highest: float | None = None
    """Largest possible value; intervals are clipped to it."""
    decimals: int | None = None
    """How many to show, of a share those of its percentage; None: 1 for shares, times and net scores, else 2."""
    grains: tuple[Grain, ...] = GRAINS
    """The grains for which it makes sense."""
    dimensions: tuple[str, ...] | None = None
    """The dimensions it may be sliced by; None: all that its fact offers."""
    always: tuple[str, ...] = ()
    """Dimensions that it is sliced by beside those in `[kpis] dimensions`, unless the project gives it its own."""
    needs: Rows | None = None
    """A SELECT that must have returned rows once before the KPI is computed: without a source of returns there is no
    return rate, rather than one of 0. The first row causes all periods to be computed. If all rows disappear later, the
    KPI is still computed, and 0 is then correct."""
    check: Callable[[Connection, Settings], None] | None = None
    """Called before the KPI is computed; raises ConfigError if the settings do not fit the data. The KPI then keeps its
    values, and its status says why; all others are computed."""
    depends_on: Callable[[Settings], object] | None = None
    """Settings beside `[project]` and `[kpis]` that its values depend on, as JSON can hold them. If they change, all
    its periods are recomputed."""
    lacks: Callable[[Settings], str | None] = lambda _: None
    """Why these settings leave it without a value (`no connection names a calendar`), or None. Unless it had values
    before, it is then not computed."""
    counts: str = ""
    """What it counts, in words, where its tables do not tell: `touchpoints with the activity called_support`."""

    def estimator(self, settings: Settings) -> Estimator:
        """How it is measured under these settings."""
        return self.of if isinstance(self.of, Estimator) else self.of(settings)

    @property
    def shown_decimals(self) -> int:
        """How many decimals to show; of a share, those of its percentage."""
        if self.decimals is not None:
            return self.decimals
        is_net = self.unit == "points" and (self.highest or 0) > 10  # not a scale of a few points
        return 1 if is_net or self.unit in ("share", "seconds", "minutes") else 2

    def offers(self, settings: Settings) -> tuple[str, ...]:
        """The dimensions it may be sliced by, sorted by name; `signal.` stands for every signal of the touchpoint.

        Raises ConfigError if it declares a dimension that its fact does not offer.
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
    """The plugins' KPIs, checked to be instances of `Kpi`. Raises ConfigError if one is not."""
    found = {}
    for name, kpi in declared.items():
        if not isinstance(kpi, Kpi):
            raise ConfigError(
                f"the KPI {name!r} is a {type(kpi).__name__}", value=name, fix="declare it with cxflow.Kpi"
            )
        found[name] = kpi
    return found
