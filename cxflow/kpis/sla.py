"""Breaches of the service level agreement: cases answered or solved later than the targets of `[kpis.sla]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from sqlalchemy import ColumnElement, Double, case, cast, column, false, func, null, or_, select

from cxflow.kpis import cases
from cxflow.kpis.business_hours import NO_CALENDAR, Hours, described, hours, lacking, with_open_minutes
from cxflow.kpis.estimators import Share
from cxflow.kpis.facts import Fact, Reach, Rows, epoch, fact
from cxflow.kpis.kpi import Kpi
from cxflow.settings import Settings, Sla
from cxflow.warehouse.tables import support_case

Kind = Literal["first_reply", "resolution"]
"""What has a target, both in `support_case` and in the settings."""
NO_TARGET, NOT_OVER = "without a target", "target time not over"

_t = support_case.c
_ends = {
    # Who solved it without a reply keeps nobody waiting for one.
    "first_reply": func.coalesce(_t.first_reply_at, _t.first_solved_at),
    "resolution": _t.last_solved_at,
}


def _targets(sla: Sla, kind: Kind) -> list[float]:
    """All targets of a kind, in minutes."""
    found = (getattr(each, f"{kind}_minutes") for each in (sla, *sla.priorities.values()))
    return [minutes for minutes in found if minutes is not None]


def _target(sla: Sla, kind: Kind) -> ColumnElement[float]:
    """The target of a case in minutes, null without one."""
    general = getattr(sla, f"{kind}_minutes")
    otherwise = cast(null() if general is None else general, Double)
    own = {
        priority.lower(): cast(minutes, Double)
        for priority, each in sla.priorities.items()
        if (minutes := getattr(each, f"{kind}_minutes")) is not None
    }
    return case(own, value=func.lower(func.trim(_t.priority)), else_=otherwise) if own else otherwise


def _minutes(rows: Rows, kinds: Sequence[Kind], used: Hours | None) -> Rows:
    """The cases with the minutes to each end, and with those for which they have been `watched`."""
    row, known = rows.subquery(), cases.horizon.known().subquery()
    until = {f"{kind}_taken": f"{kind}_at" for kind in kinds} | {"watched": "known_at"}
    with_known = select(row, epoch(known.c.known_until).label("known_at")).join_from(
        row, known, known.c.source == row.c.source
    )
    if used is not None:
        return with_open_minutes(with_known, "since", used, **until)
    row = with_known.subquery()
    return select(row, *(((row.c[name] - row.c.since) / 60).label(label) for label, name in until.items()))


def _cases(settings: Settings, kinds: Sequence[Kind]) -> Fact:
    """Cases by `opened_at` whose targets are over: for each kind the target, and the minutes taken."""
    sla = settings.kpis.sla
    ends = {f"{kind}_at": epoch(_ends[kind]) for kind in kinds}
    targets = {f"{kind}_target": _target(sla, kind) for kind in kinds}
    opened = fact(support_case, None, None, since=epoch(_t.opened_at), **ends, **targets)
    used = hours(settings) if sla.clock == "business" else None
    if used is not None:
        opened = opened.needing(NO_CALENDAR, column("source").in_(used.sources))
    target = func.greatest(*(column(name, Double) for name in targets))
    reach = Reach(before=_longest_days(settings, kinds, used), horizon=cases.horizon)
    return (
        opened.needing(NO_TARGET, target.is_not(None))
        .widened(lambda rows: _minutes(rows, kinds, used))
        .needing(NOT_OVER, column("watched", Double) >= target)
        .reaching({support_case.name: reach})
    )


def _longest_days(settings: Settings, kinds: Sequence[Kind], used: Hours | None) -> float:
    """How long the targets can take."""
    longest = max((minutes for kind in kinds for minutes in _targets(settings.kpis.sla, kind)), default=0)
    if used is None:
        return longest / 1440
    names = {name for _, name in used.calendars}
    return max((settings.calendars[name].longest_days(longest * 60) for name in names), default=0)


def _is_late(kind: Kind) -> ColumnElement[bool]:
    taken, target = (column(f"{kind}_{what}", Double) for what in ("taken", "target"))
    return target.is_not(None) & or_(taken.is_(None), taken > target)


def _breaches(*kinds: Kind) -> Callable[[Settings], Share]:
    """The share of cases that missed a target of these kinds, of those whose targets are all over."""
    is_late = or_(false(), *(_is_late(kind) for kind in kinds))
    return lambda settings: Share(_cases(settings, kinds), where=is_late)


def _lacking(*kinds: Kind) -> Callable[[Settings], str | None]:
    names = " or ".join(f"{kind}_minutes" for kind in kinds)

    def why(settings: Settings) -> str | None:
        sla = settings.kpis.sla
        if not any(_targets(sla, kind) for kind in kinds):
            return f"no target: set {names} in [kpis.sla]"
        return lacking(settings) if sla.clock == "business" else None

    return why


_OVER = (
    "cases opened in the period whose time is over, as far as their source is known; in calendar or business minutes, "
    "as [kpis.sla] says"
)
_OVER_ES = (
    "casos abiertos en el periodo cuyo plazo ya pasó, hasta donde se conoce su fuente; en minutos naturales o "
    "laborables, según [kpis.sla]"
)

sla_breach_rate = Kpi(
    name="sla_breach_rate",
    title="SLA breach rate",
    title_es="Tasa de incumplimiento del SLA",
    description="The share of cases that were answered or solved later than agreed. Neglected ones count as late.",
    description_es="La proporción de casos respondidos o resueltos más tarde de lo acordado. Los desatendidos cuentan "
    "como tardíos.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula=f"cases that missed their target of the first reply, or of the resolution ÷ {_OVER}",
    formula_es=f"casos que incumplieron su objetivo de primera respuesta o el de resolución ÷ {_OVER_ES}",
    of=_breaches("first_reply", "resolution"),
    always=("priority",),
    depends_on=described,
    lacks=_lacking("first_reply", "resolution"),
)

first_reply_sla_breach_rate = Kpi(
    name="first_reply_sla_breach_rate",
    title="SLA breach rate, first reply",
    title_es="Tasa de incumplimiento del SLA, primera respuesta",
    description="The share of cases that were answered later than agreed, or not at all.",
    description_es="La proporción de casos respondidos más tarde de lo acordado, o nunca.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula=f"cases without a reply, or a solution, within their target of the first reply ÷ {_OVER}",
    formula_es=f"casos sin respuesta ni resolución dentro de su objetivo de primera respuesta ÷ {_OVER_ES}",
    of=_breaches("first_reply"),
    always=("priority",),
    depends_on=described,
    lacks=_lacking("first_reply"),
)

resolution_sla_breach_rate = Kpi(
    name="resolution_sla_breach_rate",
    title="SLA breach rate, resolution",
    title_es="Tasa de incumplimiento del SLA, resolución",
    description="The share of cases that were solved later than agreed, or not at all.",
    description_es="La proporción de casos resueltos más tarde de lo acordado, o nunca.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula=f"cases not last solved within their target of the resolution ÷ {_OVER}",
    formula_es=f"casos no resueltos por última vez dentro de su objetivo de resolución ÷ {_OVER_ES}",
    of=_breaches("resolution"),
    always=("priority",),
    depends_on=described,
    lacks=_lacking("resolution"),
)
