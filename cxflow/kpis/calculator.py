"""Recomputes the KPI values that loads changed and publishes those that differ, in the flow's transaction.

The database aggregates; Python only turns components into values and intervals. A KPI that is a sum over events counts
only the events of touched days, and sums longer periods from days: a day's load costs a day, however long the history.
Other KPIs (quantiles, customers) count all events of each touched period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError

from cxflow.duck import MEMORY_VARIABLE, OUT_OF_MEMORY
from cxflow.errors import ConfigError
from cxflow.kpis import business_hours, horizons, restatement, sums
from cxflow.kpis.affected import Affected, Touched
from cxflow.kpis.alike import alike
from cxflow.kpis.completeness import Completeness
from cxflow.kpis.counting import Counted, Counter
from cxflow.kpis.delivered import Delivered
from cxflow.kpis.experience import judgement
from cxflow.kpis.found_events import FoundEvents
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.plans import Before, Plan, Planner
from cxflow.kpis.publication import after_the_last, define, versions
from cxflow.kpis.publisher import Publisher
from cxflow.kpis.report import KpiReport
from cxflow.kpis.slicing import dimensions_of
from cxflow.kpis.status import Statuses
from cxflow.model import progress
from cxflow.settings import Settings
from cxflow.warehouse import engines, pending
from cxflow.warehouse.database_errors import first_line
from cxflow.warehouse.tables import CANONICAL, customer

_TOO_LARGE = f"it needs more memory than DuckDB may take; set {MEMORY_VARIABLE} to more"
_HELD_CELLS = 200_000
"""Values in memory, about, before they are published."""


class KpiError(Exception):
    """The SQL of a KPI failed. The transaction is lost: compute the others in a new one, and tell it of these."""

    def __init__(self, kpis: Sequence[str], reason: str) -> None:
        super().__init__(f"{', '.join(kpis)}: {reason}")
        self.kpis = kpis
        """It and, if all its cells are theirs, too, others."""
        self.reason = reason


class SumsError(Exception):
    """The SQL that sums the days of several KPIs failed, and the transaction with it: compute them one by one."""


def compute(
    connection: Connection,
    settings: Settings,
    kpis: Mapping[str, Kpi],
    as_of: datetime,
    everything: bool = False,
    failed: Mapping[str, str] | None = None,
    *,
    one_by_one: bool = False,
) -> KpiReport:
    """Recompute the periods touched since the last computation, and publish values that are new or different.

    Works in the caller's transaction and commits nothing. A new KPI, or a new version of one, is computed for all
    periods. So is a KPI if the settings that its values depend on (time zone, currency, `[kpis]`) changed, or if it
    failed the last time. `everything` recomputes all periods of all KPIs: for rows that were changed by hand.

    Each KPI stands or fails alone. One whose `check` refuses the data keeps its values, and its status says why; so do
    those in `failed`, a KPI to its reason. Raises KpiError if the SQL of one fails, and SumsError if that of several
    does, which `one_by_one` avoids.
    """
    dimensions = {name: dimensions_of(kpi, settings) for name, kpi in kpis.items()}
    # Taken first: days that another load adds from now on stay for the next computation.
    noted = pending.take_days(connection)
    touched: Touched = noted.days
    # A server that has not looked at new tables yet takes them for empty, and joins them row by row for hours.
    if filled := sorted(CANONICAL if everything else touched):
        engines.of(connection).analyze(connection, *filled, customer.name)
    reaches = [kpi.estimator(settings).reach for kpi in kpis.values()]
    if any(judgement.NAME in reach for reach in reaches):
        touched = judgement.refresh(connection, settings, touched, everything)
    else:
        judgement.forget(connection)
    business_hours.refresh(connection, settings, touched, everything)
    as_of = after_the_last(connection, as_of)
    previous = define(connection, kpis, dimensions, settings)
    known = versions(connection)
    used = (each.horizon for reach in reaches for each in reach.values() if each.horizon is not None)
    delivered = Delivered.read(connection, settings, as_of)
    moved_horizons = horizons.refresh(connection, used, touched, delivered, everything)
    statuses = Statuses(connection, settings)
    completeness = Completeness(connection, settings, delivered)
    affected = Affected(connection, ZoneInfo(settings.project.timezone), touched, moved_horizons)
    causes = restatement.Causes(noted, affected)
    publisher = Publisher(connection, settings, as_of, completeness, causes, statuses)
    planner = Planner(connection, settings, statuses, affected, everything)
    plans: list[Plan] = []
    for name, kpi in _by_fact(kpis, settings):
        if failed and name in failed:
            publisher.fail(kpi, failed[name])
            continue
        before = Before.of(kpi, dimensions[name], previous[name], known)
        try:
            with _blamed(connection, [name]):
                plan = planner.plan(kpi, before)
        except ConfigError as problem:
            publisher.fail(kpi, f"{problem.message}; {problem.fix}" if problem.fix else problem.message)
            continue
        if plan is None:
            completeness.move(kpi, kpi.estimator(settings), before.dimensions)
        else:
            plans.append(plan)
    found = FoundEvents(connection, (kpi.estimator(settings) for kpi in kpis.values()))
    for portion in _counted(connection, settings, plans, found, one_by_one=one_by_one):
        with _blamed(connection, [each.kpi.name for each in portion], is_sum=True):
            sums.add_up(connection, settings, portion)
            publisher.publish(portion)
    found.forget()
    statuses.keep()
    completeness.keep()
    return publisher.report()


def _counted(
    connection: Connection,
    settings: Settings,
    plans: Sequence[Plan],
    found: FoundEvents,
    *,
    one_by_one: bool,
) -> Iterator[list[Counted]]:
    """Count KPI by KPI; portions of them, which are summed up and published before others are counted."""
    counter = Counter(connection, settings, found)
    counter.forget(plans)
    held: list[Counted] = []
    for number, plan in enumerate(plans, 1):
        progress.report("computing", number - 1, total=len(plans), unit="KPIs")
        with _blamed(connection, [plan.kpi.name, *_sharing(plans, plan)]):
            held.append(counter.count(plan))
        if number == len(plans) or sum(len(each.values) for each in held) > _HELD_CELLS:
            yield from sums.portions(connection, held, one_by_one=one_by_one)
            held = []


def _by_fact(kpis: Mapping[str, Kpi], settings: Settings) -> list[tuple[str, Kpi]]:
    """The KPIs in their order, but those of one fact, or of parts of one, together."""
    facts = {name: kpi.estimator(settings).sliced for name, kpi in kpis.items()}
    groups = alike(kpis.items(), lambda item: id(facts[item[0]].whole))
    return [each for group in groups for each in group]


def _sharing(plans: Sequence[Plan], plan: Plan) -> list[str]:
    """The other KPIs that have the same cells, and so take the same memory."""
    family = plan.estimator.family
    if family is None:
        return []
    return [each.kpi.name for each in plans if each is not plan and each.estimator.family == family]


@contextmanager
def _blamed(connection: Connection, kpis: Sequence[str], *, is_sum: bool = False) -> Iterator[None]:
    """Raise KpiError where SQL of the block fails: for the first of the KPIs, or for all if memory was lacking. Raise
    SumsError instead if it sums the days of several."""
    try:
        yield
    except (ProgrammingError, DataError) as problem:
        if is_sum and kpis[1:]:
            raise SumsError from None
        raise KpiError(kpis[:1], _why(problem)) from None
    except OperationalError as problem:
        if problem.orig is None or engines.of(connection).sqlstate(problem.orig) != OUT_OF_MEMORY:
            raise
        if is_sum and kpis[1:]:
            raise SumsError from None
        raise KpiError(kpis, _TOO_LARGE) from None


def _why(problem: DBAPIError) -> str:
    """Why a KPI's SQL failed, without a value of the data."""
    kind = type(problem.orig).__name__
    said = f": {first_line(problem.orig)}" if isinstance(problem, ProgrammingError) else ""
    return f"its SQL fails ({kind}{said})"
