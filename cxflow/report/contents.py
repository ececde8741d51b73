"""Reads all that a report shows, in one snapshot of the warehouse. Called by `page`'s callers.

Each section has its own module; this one knows their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cxflow.kpis import read
from cxflow.kpis.experience.paths import Paths
from cxflow.kpis.periods import Grain, Period
from cxflow.kpis.read import KpiValue
from cxflow.report import cohorts, edition, indicators, quality, touchpoints, verbatims, ways
from cxflow.report.cohorts import Cohort
from cxflow.report.edition import Edition
from cxflow.report.indicators import Indicator
from cxflow.report.phrases import Language, placeholders
from cxflow.report.quality import Quality
from cxflow.report.touchpoints import Touchpoints
from cxflow.report.verbatims import Verbatim
from cxflow.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that one report shows."""

    language: Language
    edition: Edition
    indicators: tuple[Indicator, ...]
    """The headlines first."""
    touchpoints: Touchpoints
    ways: tuple[Paths, ...]
    """The last steps before what customers did, where enough of them took the same."""
    cohorts: tuple[Cohort, ...]
    """Of customers by the month of their first order, who orders again."""
    lifetimes: tuple[Cohort, ...]
    """Of the same, what they are worth so far."""
    verbatims: tuple[Verbatim, ...] | None
    """None: the settings, or the warehouse, leave texts out."""
    quality: Quality
    max_left_out: float
    """A KPI that leaves out a larger share of its events is pointed out."""
    min_n: int
    """Values of fewer observations are suppressed."""


def read_all(
    connection: sa.Connection,
    settings: Settings,
    *,
    language: Language | None = None,
    as_of: datetime | None = None,
    asked: Period | None = None,
    with_texts: bool = True,
) -> Contents:
    """Read the contents of a report, in the caller's transaction.

    `language`: instead of that of the settings. `as_of`: values as they were published at that instant. `asked`: the
    period to report on, instead of the newest. `with_texts`: whether the warehouse has the texts of customers, which a
    snapshot has not. Raises ConfigError if the period is not over.
    """
    language = language or settings.report.language
    now = datetime.now(UTC)
    known = edition.known_until(connection, min(as_of, now) if as_of else now)
    overall: dict[Grain, Sequence[KpiValue]] = {}

    def values(grain: Grain) -> Sequence[KpiValue]:
        if grain not in overall:
            overall[grain] = read.values(connection, None, grain, as_of=as_of)
        return overall[grain]

    chosen = edition.choose(settings, values, known=known, now=now, as_of=as_of, asked=asked)
    found = quality.read(connection)
    return Contents(
        language=language,
        edition=chosen,
        indicators=tuple(
            indicators.read_all(
                *(connection, chosen, overall, language, found.known_until(), settings.kpis.max_left_out)
            )
        ),
        touchpoints=touchpoints.read(connection, chosen),
        ways=tuple(ways.read_all(connection, chosen, settings.kpis.min_n)),
        cohorts=tuple(cohorts.read_all(connection, chosen, cohorts.RETENTION)),
        lifetimes=tuple(cohorts.read_all(connection, chosen, cohorts.LIFETIME)),
        verbatims=tuple(verbatims.read(connection, chosen, placeholders(language)))
        if settings.report.verbatims and with_texts
        else None,
        quality=found,
        max_left_out=settings.kpis.max_left_out,
        min_n=settings.kpis.min_n,
    )
