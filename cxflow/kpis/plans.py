"""What is to be computed of each KPI: which periods, and why."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from cxflow.errors import ConfigError
from cxflow.kpis import restatement
from cxflow.kpis.affected import Affected
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import EVERY_PERIOD, Periods
from cxflow.kpis.publication import Previous
from cxflow.kpis.status import Statuses
from cxflow.settings import Settings
from cxflow.warehouse.tables import CANONICAL


class Before(NamedTuple):
    """What is known of a KPI before it is computed."""

    dimensions: Sequence[str]
    definition: Previous
    was_published: bool
    earlier_version: int | None
    """The newest version before its own that has values; None: there is none."""
    later_version: int | None
    """The newest version after its own that has values."""

    @classmethod
    def of(
        cls, kpi: Kpi, dimensions: Sequence[str], definition: Previous, published: Set[tuple[str, int]]
    ) -> Before:
        """`published`: name and version of every KPI that has values."""
        versions = {version for name, version in published if name == kpi.name}
        return cls(
            dimensions,
            definition,
            was_published=kpi.version in versions,
            earlier_version=max((each for each in versions if each < kpi.version), default=None),
            later_version=max((each for each in versions if each > kpi.version), default=None),
        )

    @property
    def is_next_version(self) -> bool:
        """Whether these are the first values of a version that follows another."""
        return self.earlier_version is not None and not self.was_published


@dataclass(frozen=True, slots=True)
class Plan:
    """A KPI that has anything to compute."""

    kpi: Kpi
    estimator: Estimator
    before: Before
    periods: Periods
    because: str
    """Why all its periods are computed; empty: what loads changed is."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans one computation."""

    connection: Connection
    settings: Settings
    statuses: Statuses
    affected: Affected
    """What loads and horizons changed."""
    everything: bool
    """Whether all periods of all KPIs are computed."""

    def plan(self, kpi: Kpi, before: Before) -> Plan | None:
        """What is to be computed of a KPI; None: nothing. One that has no events yet says why.

        Raises ConfigError if its check refuses the data, and for a version whose successor has values: those are the
        ones that everybody reads, and the days of the older one are gone.
        """
        if before.later_version is not None:
            raise ConfigError(
                f"it has values of version {before.later_version} of its definition, and this is version {kpi.version}",
                value=kpi.name,
                fix="install again what declares the later one, or raise the version",
            )
        if kpi.check is not None:
            kpi.check(self.connection, self.settings)
        estimator = kpi.estimator(self.settings)
        if not before.was_published and self._has_no_events(kpi, estimator):
            self.statuses.note_without_events(kpi)
            return None
        had_failed = self.statuses.has_failed(kpi)
        every_period = self.everything or before.definition.is_new or had_failed
        # The first row that it needs makes values of all periods.
        every_period |= kpi.needs is not None and not before.was_published
        periods = EVERY_PERIOD if every_period else self.affected.by_all(estimator)
        because = _because(kpi, before, everything=self.everything, had_failed=had_failed)
        return Plan(kpi, estimator, before, periods, because) if periods else None

    def _has_no_events(self, kpi: Kpi, estimator: Estimator) -> bool:
        """Whether it cannot have any, so that nothing needs to be counted."""
        if kpi.lacks(self.settings) is not None:
            return True
        if kpi.needs is not None and self.connection.execute(kpi.needs.limit(1)).first() is None:
            return True
        table = estimator.sliced.table
        return bool(table) and not self.statuses.has_rows(CANONICAL[table])


def _because(kpi: Kpi, before: Before, *, everything: bool, had_failed: bool) -> str:
    """Why all periods of a KPI are computed; empty: what loads changed is."""
    if everything:
        return restatement.ON_REQUEST
    if before.is_next_version:
        return f"version {kpi.version} of its definition follows version {before.earlier_version}"
    if before.definition.is_new and before.definition.settings is not None:
        return restatement.of_settings(before.definition.settings, before.definition.settings_now)
    return restatement.AFTER_FAILURE if had_failed else ""
