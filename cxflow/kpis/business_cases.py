"""Times to reply and to solve in business minutes: those of `cases`, counted only while the source's team works."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, String, column, select

from cxflow.kpis import cases
from cxflow.kpis.business_hours import NO_CALENDAR, Hours, described, hours, lacking, with_open_minutes
from cxflow.kpis.facts import Fact, Rows, epoch, fact
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.quantile import Quantile
from cxflow.kpis.survival import SurvivalMedian
from cxflow.settings import Settings
from cxflow.warehouse.tables import support_case

_t = support_case.c
open_minutes = column("open_minutes", Double)
_CLOCK = "minutes in which the team of the case's source works, by its calendar in [calendars]"
_CLOCK_ES = (
    "en los minutos en que trabaja el equipo de la fuente del caso, según su calendario en [calendars]"
)


def in_business_minutes(of: Fact, used: Hours) -> Fact:
    """Events of sources with a calendar, with the `open_minutes` from `since` to `until`, in seconds since 1970."""
    has_calendar = column("source", String).in_(used.sources)
    return of.needing(NO_CALENDAR, has_calendar).widened(
        lambda rows: with_open_minutes(rows, "since", used, open_minutes="until")
    )


@lru_cache(maxsize=4)
def _replied(used: Hours) -> Fact:
    opened = fact(support_case, since=epoch(_t.opened_at), until=epoch(_t.first_reply_at))
    return in_business_minutes(opened, used).needing("without a reply yet", open_minutes.is_not(None))


@lru_cache(maxsize=4)
def _solved(used: Hours) -> Fact:
    solved = fact(support_case, _t.last_solved_at, since=epoch(_t.opened_at), until=epoch(_t.last_solved_at))
    return in_business_minutes(solved, used)


def _quantile(of: Callable[[Hours], Fact], q: float, beside: float) -> Callable[[Settings], Quantile]:
    return lambda settings: Quantile(of(hours(settings)), open_minutes, q, beside=(beside,))


def _median_of_opened(
    end: ColumnElement[Any], otherwise: ColumnElement[Any] | None = None
) -> Callable[[Settings], SurvivalMedian]:
    def with_ends(rows: Rows) -> Rows:
        row = rows.subquery()
        since = epoch(row.c.at)
        return select(row, since.label("since"), (since + 60 * row.c.minutes).label("until"))

    def median(settings: Settings) -> SurvivalMedian:
        watched = cases.watched(end, otherwise, settings.kpis.follow_up_days).derived(with_ends)
        return SurvivalMedian(
            in_business_minutes(watched, hours(settings)), open_minutes, column("is_over", Boolean)
        )

    return median


first_reply_business_minutes = Kpi(
    name="first_reply_business_minutes",
    title="First reply time in business minutes, median",
    title_es="Tiempo de primera respuesta en minutos laborables, mediana",
    description="Half of the cases that got a reply got it within this time, nights, weekends and holidays of the team "
    "not counted.",
    description_es="La mitad de los casos con respuesta la recibieron en este tiempo, sin contar noches, fines de "
    "semana ni festivos del equipo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula=f"median time from opening to first reply, cases opened in the period that have a reply; {_CLOCK}",
    formula_es="mediana del tiempo desde la apertura hasta la primera respuesta, de los casos abiertos en el "
    f"periodo que tienen respuesta; {_CLOCK_ES}",
    of=_quantile(_replied, 0.5, beside=0.9),
    depends_on=described,
    lacks=lacking,
)

first_reply_business_minutes_p90 = Kpi(
    name="first_reply_business_minutes_p90",
    title="First reply time in business minutes, 90th percentile",
    title_es="Tiempo de primera respuesta en minutos laborables, percentil 90",
    description="Nine in ten of the cases that got a reply got it within this time, nights, weekends and holidays of "
    "the team not counted.",
    description_es="Nueve de cada diez casos con respuesta la recibieron en este tiempo, sin contar noches, fines de "
    "semana ni festivos del equipo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="90th percentile of the time from opening to first reply, cases opened in the period that have a reply; "
    f"{_CLOCK}",
    formula_es="percentil 90 del tiempo desde la apertura hasta la primera respuesta, de los casos abiertos en el "
    f"periodo que tienen respuesta; {_CLOCK_ES}",
    of=_quantile(_replied, 0.9, beside=0.5),
    depends_on=described,
    lacks=lacking,
)

resolution_business_minutes = Kpi(
    name="resolution_business_minutes",
    title="Resolution time in business minutes, median",
    title_es="Tiempo de resolución en minutos laborables, mediana",
    description="Half of the cases solved in the period took at most this long, nights, weekends and holidays of the "
    "team not counted.",
    description_es="La mitad de los casos resueltos en el periodo tardaron como mucho este tiempo, sin contar noches, "
    "fines de semana ni festivos del equipo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula=f"median time from opening to last solved, cases last solved in the period; {_CLOCK}",
    formula_es="mediana del tiempo desde la apertura hasta la última resolución, de los casos resueltos por última "
    f"vez en el periodo; {_CLOCK_ES}",
    of=_quantile(_solved, 0.5, beside=0.9),
    depends_on=described,
    lacks=lacking,
)

resolution_business_minutes_p90 = Kpi(
    name="resolution_business_minutes_p90",
    title="Resolution time in business minutes, 90th percentile",
    title_es="Tiempo de resolución en minutos laborables, percentil 90",
    description="Nine in ten of the cases solved in the period took at most this long, nights, weekends and holidays "
    "of the team not counted.",
    description_es="Nueve de cada diez casos resueltos en el periodo tardaron como mucho este tiempo, sin contar "
    "noches, fines de semana ni festivos del equipo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula=f"90th percentile of the time from opening to last solved, cases last solved in the period; {_CLOCK}",
    formula_es="percentil 90 del tiempo desde la apertura hasta la última resolución, de los casos resueltos por "
    f"última vez en el periodo; {_CLOCK_ES}",
    of=_quantile(_solved, 0.9, beside=0.5),
    depends_on=described,
    lacks=lacking,
)

first_reply_business_minutes_of_opened = Kpi(
    name="first_reply_business_minutes_of_opened",
    title="First reply time of all opened cases in business minutes, median",
    title_es="Tiempo de primera respuesta de todos los casos en minutos laborables, mediana",
    description="Half of the cases opened in the period had a reply within this time, those counted that still wait "
    "for one; nights, weekends and holidays of the team not counted.",
    description_es="La mitad de los casos abiertos en el periodo tuvieron respuesta en este tiempo, contando los que "
    "aún la esperan; sin contar noches, fines de semana ni festivos del equipo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="Kaplan–Meier median of the time from opening to first reply, of the cases and watched as in "
    f"first_reply_minutes_of_opened; {_CLOCK}",
    formula_es="mediana de Kaplan–Meier del tiempo desde la apertura hasta la primera respuesta, de los mismos "
    f"casos, seguidos igual, que en «Tiempo de primera respuesta de todos los casos, mediana»; {_CLOCK_ES}",
    of=_median_of_opened(_t.first_reply_at, otherwise=_t.first_solved_at),
    depends_on=described,
    lacks=lacking,
)

resolution_business_minutes_of_opened = Kpi(
    name="resolution_business_minutes_of_opened",
    title="Resolution time of all opened cases in business minutes, median",
    title_es="Tiempo de resolución de todos los casos en minutos laborables, mediana",
    description="Half of the cases opened in the period were solved within this time, those counted that are still "
    "open; nights, weekends and holidays of the team not counted.",
    description_es="La mitad de los casos abiertos en el periodo se resolvieron en este tiempo, contando los que "
    "siguen abiertos; sin contar noches, fines de semana ni festivos del equipo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="Kaplan–Meier median of the time from opening to last solved, of the cases and watched as in "
    f"resolution_minutes_of_opened; {_CLOCK}",
    formula_es="mediana de Kaplan–Meier del tiempo desde la apertura hasta la última resolución, de los mismos "
    f"casos, seguidos igual, que en «Tiempo de resolución de todos los casos, mediana»; {_CLOCK_ES}",
    of=_median_of_opened(_t.last_solved_at),
    depends_on=described,
    lacks=lacking,
)
