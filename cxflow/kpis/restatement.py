"""Why a published value replaces the one before it: which loads brought late data, or what else changed.

Called by the calculator, only for cells that have a value already: a first value needs no reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property

from cxflow.kpis.affected import Affected
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.experience import judgement
from cxflow.kpis.periods import Periods
from cxflow.kpis.publication import Key
from cxflow.warehouse.pending import LOAD, Days, Noted

ON_REQUEST = "recomputed on request"
AFTER_FAILURE = "its last computation had failed"
UNKNOWN = "rows changed, nobody noted by what"
_JUDGED = "experiences judged anew"
_MOST_NAMED = 3
"""Causes that are named; of more it says how many there are."""
_MOST_TOLD_APART = 50
"""Causes up to which each value names only those that touch its own period."""


class Causes:
    """What changed the rows since the last computation."""

    def __init__(self, noted: Noted, affected: Affected) -> None:
        self._affected = affected
        self._causes = dict(sorted(noted.causes.items()))

    def of(self, estimator: Estimator) -> CausesOfKpi:
        """Those that can have changed the values of an estimator."""
        reach = estimator.reach
        reaching = {
            cause: days for cause, days in self._causes.items() if any(table in reach for table in days)
        }
        return CausesOfKpi(self._affected, estimator, reaching)


class CausesOfKpi:
    """What can have changed the values of one KPI."""

    def __init__(self, affected: Affected, estimator: Estimator, causes: Mapping[str, Days]) -> None:
        self._affected, self._estimator, self._causes = affected, estimator, causes

    def why(self, keys: Iterable[Key]) -> dict[Key, str]:
        """Cell to the causes that touch its period; where none does (a horizon moved on, other values became slices of
        their own), to all."""
        return {key: self._in(key) for key in keys}

    def _in(self, key: Key) -> str:
        touching = [cause for cause, periods in self._periods.items() if (key[0], key[1]) in periods]
        if touching or self._causes:
            return named(touching or list(self._causes))
        return _JUDGED if judgement.NAME in self._estimator.reach else UNKNOWN

    @cached_property
    def _periods(self) -> dict[str, Periods]:
        if len(self._causes) > _MOST_TOLD_APART:
            return {}
        return {cause: self._affected.by(self._estimator, days) for cause, days in self._causes.items()}


def named(causes: list[str]) -> str:
    """Some causes in one line; where there are loads, only these: the steps after them follow from them."""
    causes = [cause for cause in causes if cause.startswith(LOAD)] or causes
    more = len(causes) - _MOST_NAMED
    return "; ".join(causes if more <= 0 else [*causes[:_MOST_NAMED], f"and {more:,} more"])


def of_settings(before: str | None, now: str) -> str:
    """Which settings are others than those of the last computation, both as JSON."""
    one, other = (json.loads(text or "{}") for text in (before, now))
    changed = [name for name in sorted({*one, *other} - {"kpis"}) if one.get(name) != other.get(name)]
    kpis, other_kpis = one.get("kpis", {}), other.get("kpis", {})
    changed += [
        f"kpis.{name}" for name in sorted({*kpis, *other_kpis}) if kpis.get(name) != other_kpis.get(name)
    ]
    worded = ["the hash of customers" if name == "hash" else name for name in changed if name != "more"]
    worded += ["settings of its own"] if "more" in changed else []
    return f"settings changed: {', '.join(worded)}" if worded else "its interval is computed in another way"
