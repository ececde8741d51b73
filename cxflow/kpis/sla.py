"""Breaches of the service level agreement: cases answered or solved later than the targets of `[kpis.sla]`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
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
KINDS: tuple[Kind, ...] = ("first_reply", "resolution")
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


def _minutes(rows: Rows, used: Hours | None) -> Rows:
    """The cases with the minutes to each end, and with those for which they have been `watched`."""
    row, known = rows.subquery(), cases.horizon.known().subquery()
    until = {f"{kind}_taken": f"{kind}_at" for kind in KINDS} | {"watched": "known_at"}
    with_known = select(row, epoch(known.c.known_until).label("known_at")).join_from(
        row, known, known.c.source == row.c.source
    )
    if used is not None:
        return with_open_minutes(with_known, "since", used, **until)
    row = with_known.subquery()
    return select(row, *(((row.c[name] - row.c.since) / 60).label(label) for label, name in until.items()))


@lru_cache(maxsize=4)
def _opened(sla: str, used: Hours | None, longest_days: float) -> Fact:
    """Cases by `opened_at`, with the target of each kind, the minutes taken, and the minutes watched; `sla` is JSON."""
    declared = Sla.model_validate_json(sla)
    ends = {f"{kind}_at": epoch(end) for kind, end in _ends.items()}
    targets = {f"{kind}_target": _target(declared, kind) for kind in KINDS}
    opened = fact(support_case, None, None, since=epoch(_t.opened_at), **ends, **targets)
    if used is not None:
        opened = opened.needing(NO_CALENDAR, column("source").in_(used.sources))
    reach = Reach(before=longest_days, horizon=cases.horizon)
    return opened.derived(lambda rows: _minutes(rows, used)).reaching({support_case.name: reach})


def _cases(settings: Settings) -> Fact:
    sla = settings.kpis.sla
    used = hours(settings) if sla.clock == "business" else None
    longest = max((minutes for kind in KINDS for minutes in _targets(sla, kind)), default=0)
    if used is None:
        days = longest / 1440
    else:
        names = {name for _, name in used.calendars}
        days = max((settings.calendars[name].longest_days(longest * 60) for name in names), default=0)
    return _opened(sla.model_dump_json(), used, days)


def _is_late(kind: Kind) -> ColumnElement[bool]:
    taken, target = (column(f"{kind}_{what}", Double) for what in ("taken", "target"))
    return target.is_not(None) & or_(taken.is_(None), taken > target)


def _breaches(*kinds: Kind) -> Callable[[Settings], Share]:
    """The share of cases that missed a target of these kinds, of those whose targets are all over."""
    target = func.greatest(*(column(f"{kind}_target", Double) for kind in kinds))
    is_late = or_(false(), *(_is_late(kind) for kind in kinds))
    return lambda settings: Share(
        _cases(settings)
        .needing(NO_TARGET, target.is_not(None))
        .needing(NOT_OVER, column("watched", Double) >= target),
        where=is_late,
    )


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
    of=_breaches("resolution"),
    always=("priority",),
    depends_on=described,
    lacks=_lacking("resolution"),
)
