"""What a computation of the KPIs did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cxflow.errors import ConfigError


@dataclass(frozen=True, slots=True)
class KpiReport:
    """What a computation did."""

    as_of: datetime
    """The `as_of` of its published values."""
    kpis: tuple[str, ...]
    """The KPIs that had anything to recompute."""
    computed: int
    """Cells (KPI, period, slice) recomputed."""
    published: int
    """Values that were new or different."""
    emptied: int
    """Published cells that no longer have events."""
    unchanged: int
    """Cells whose value did not change: not published again."""
    suppressed: int
    """Computed cells under the minimum n."""
    failed: Mapping[str, str]
    """KPI to the reason why it could not be computed."""
    leaving_out: Mapping[str, tuple[int, int]]
    """KPI to the events of all time that it counts and that it leaves out, where the latter are more than
    `kpis.max_left_out` of both."""

    @property
    def problems(self) -> list[ConfigError]:
        """An error for each reason for which KPIs failed. The others are computed nevertheless: raise them after the
        commit."""
        return problems(self.failed)


def problems(failed: Mapping[str, str]) -> list[ConfigError]:
    """One error for each reason of `failed`, a KPI to the reason why it has no values: it names the KPIs."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in failed.items():
        by_reason.setdefault(reason, []).append(name)
    return [
        ConfigError(
            f"the KPI{'s' if names[1:] else ''} {', '.join(names)} could not be computed: {reason}",
            value=names[0],
        )
        for reason, names in by_reason.items()
    ]
