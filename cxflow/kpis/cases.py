"""KPIs of support cases, in calendar minutes, measured as in Fivetran's dbt_zendesk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Double,
    Integer,
    and_,
    cast,
    column,
    func,
    literal,
    null,
    select,
    union_all,
)

from cxflow.kpis.estimators import Share
from cxflow.kpis.facts import Fact, Reach, Rows, fact, seconds_between
from cxflow.kpis.horizons import Horizon
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.quantile import Quantile
from cxflow.kpis.survival import SurvivalMedian
from cxflow.kpis.totals import Stock
from cxflow.settings import Settings
from cxflow.warehouse.tables import support_case

_t = support_case.c
minutes = column("minutes", Double)
is_over = column("is_over", Boolean)

replied = fact(support_case, minutes=seconds_between(_t.opened_at, _t.first_reply_at) / 60).needing(
    "without a reply yet", minutes.is_not(None)
)
"""Cases by `opened_at`: minutes to the first reply."""
solved = fact(
    support_case,
    _t.last_solved_at,
    minutes=seconds_between(_t.opened_at, _t.last_solved_at) / 60,
    reopens=_t.reopens,
    public_replies=_t.public_replies,
)
"""Cases by `last_solved_at`: minutes from opening to it, including time between solving and reopening."""


first_reply_minutes = Kpi(
    name="first_reply_minutes",
    title="First reply time, median",
    title_es="Tiempo de primera respuesta, mediana",
    description="Half of the cases that got a reply got it within this time. Cases still without one are not in it.",
    description_es="La mitad de los casos con respuesta la recibieron en este tiempo. Los que siguen sin ella no "
    "cuentan.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="median time from opening to first reply, cases opened in the period that have a reply",
    formula_es="mediana del tiempo desde la apertura hasta la primera respuesta, de los casos abiertos en el "
    "periodo que tienen respuesta",
    of=Quantile(replied, minutes, 0.5, beside=(0.9,)),
)

first_reply_minutes_p90 = Kpi(
    name="first_reply_minutes_p90",
    title="First reply time, 90th percentile",
    title_es="Tiempo de primera respuesta, percentil 90",
    description="Nine in ten of the cases that got a reply got it within this time.",
    description_es="Nueve de cada diez casos con respuesta la recibieron en este tiempo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="90th percentile of the time from opening to first reply, cases opened in the period that have a reply",
    formula_es="percentil 90 del tiempo desde la apertura hasta la primera respuesta, de los casos abiertos en el "
    "periodo que tienen respuesta",
    of=Quantile(replied, minutes, 0.9, beside=(0.5,)),
)

resolution_minutes = Kpi(
    name="resolution_minutes",
    title="Resolution time, median",
    title_es="Tiempo de resolución, mediana",
    description="Half of the cases solved in the period took at most this long. Cases still open are not in it.",
    description_es="La mitad de los casos resueltos en el periodo tardaron como mucho este tiempo. Los que siguen "
    "abiertos no cuentan.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="median time from opening to last solved, cases last solved in the period",
    formula_es="mediana del tiempo desde la apertura hasta la última resolución, de los casos resueltos por última "
    "vez en el periodo",
    of=Quantile(solved, minutes, 0.5, beside=(0.9,)),
)

resolution_minutes_p90 = Kpi(
    name="resolution_minutes_p90",
    title="Resolution time, 90th percentile",
    title_es="Tiempo de resolución, percentil 90",
    description="Nine in ten of the cases solved in the period took at most this long.",
    description_es="Nueve de cada diez casos resueltos en el periodo tardaron como mucho este tiempo.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="90th percentile of the time from opening to last solved, cases last solved in the period",
    formula_es="percentil 90 del tiempo desde la apertura hasta la última resolución, de los casos resueltos por "
    "última vez en el periodo",
    of=Quantile(solved, minutes, 0.9, beside=(0.5,)),
)

_reopens, _replies = column("reopens", Integer), column("public_replies", Integer)

reopen_rate = Kpi(
    name="reopen_rate",
    title="Reopen rate",
    title_es="Tasa de reapertura",
    description="The share of solved cases that were not really solved: they were opened again.",
    description_es="La proporción de casos resueltos que no lo estaban del todo: se volvieron a abrir.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="cases last solved in the period that were reopened at least once ÷ cases last solved in it whose "
    "reopenings are known",
    formula_es="casos resueltos por última vez en el periodo que se reabrieron al menos una vez ÷ casos resueltos "
    "por última vez en él cuyas reaperturas se conocen",
    of=Share(solved.needing("without a number of reopenings", _reopens.is_not(None)), where=_reopens > 0),
)

fcr_one_touch = Kpi(
    name="fcr_one_touch",
    title="One-touch resolution",
    title_es="Resolución con una sola respuesta",
    description="The share of solved cases that took exactly one public reply of an agent.",
    description_es="La proporción de casos resueltos con exactamente una respuesta pública de un agente.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="cases last solved in the period with exactly one public reply ÷ cases last solved in it whose public "
    "replies are known",
    formula_es="casos resueltos por última vez en el periodo con exactamente una respuesta pública ÷ casos "
    "resueltos por última vez en él cuyas respuestas públicas se conocen",
    of=Share(solved.needing("without a number of replies", _replies.is_not(None)), where=_replies == 1),
)


horizon = Horizon(
    "cases",
    select(
        _t.source_system.label("source"),
        func.greatest(_t.opened_at, _t.first_reply_at, _t.last_solved_at).label("at"),
    ).where(~_t.is_deleted),
    (support_case.name,),
)
"""How far each source's cases are known."""


def watched(end: ColumnElement[Any], otherwise: ColumnElement[Any] | None, follow_up_days: float) -> Fact:
    """Cases by `opened_at`: `minutes` from opening to the `end`, and whether it `is_over`. An open case was watched
    until its source's newest event of a case, or until it ended `otherwise`; all are for the follow-up at most."""
    opened = fact(
        support_case,
        end_minutes=seconds_between(_t.opened_at, end) / 60,
        other_minutes=seconds_between(_t.opened_at, otherwise) / 60
        if otherwise is not None
        else cast(null(), Double),
    )
    longest = follow_up_days * 1440

    def until_known(rows: Rows) -> Rows:
        row, known = rows.subquery(), horizon.known().subquery()
        known_minutes = seconds_between(row.c.at, known.c.known_until) / 60
        minutes = func.coalesce(row.c.end_minutes, row.c.other_minutes, known_minutes)
        in_time = and_(row.c.end_minutes.is_not(None), row.c.end_minutes <= longest)
        return select(
            row,
            func.least(minutes, longest).label("minutes"),
            func.coalesce(in_time, False).label("is_over"),
        ).join_from(row, known, known.c.source == row.c.source)

    reach = Reach(before=follow_up_days, horizon=horizon)
    return opened.derived(until_known).reaching({support_case.name: reach})


def _median_of_opened(
    end: ColumnElement[Any], otherwise: ColumnElement[Any] | None = None
) -> Callable[[Settings], SurvivalMedian]:
    return lambda settings: SurvivalMedian(
        watched(end, otherwise, settings.kpis.follow_up_days), minutes, is_over
    )


first_reply_minutes_of_opened = Kpi(
    name="first_reply_minutes_of_opened",
    title="First reply time of all opened cases, median",
    title_es="Tiempo de primera respuesta de todos los casos, mediana",
    description="Half of the cases opened in the period had a reply within this time, those counted that still wait "
    "for one.",
    description_es="La mitad de los casos abiertos en el periodo tuvieron respuesta en este tiempo, contando los "
    "que aún la esperan.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="Kaplan–Meier median of the time from opening to first reply, cases opened in the period; a case "
    "without one is watched until it was solved or its source is known, follow_up_days (default 90) at most",
    formula_es="mediana de Kaplan–Meier del tiempo desde la apertura hasta la primera respuesta, de los casos "
    "abiertos en el periodo; un caso sin respuesta se sigue hasta que se resolvió o hasta donde se conoce su "
    "fuente, como mucho follow_up_days días (por defecto, 90)",
    of=_median_of_opened(_t.first_reply_at, otherwise=_t.first_solved_at),
)

resolution_minutes_of_opened = Kpi(
    name="resolution_minutes_of_opened",
    title="Resolution time of all opened cases, median",
    title_es="Tiempo de resolución de todos los casos, mediana",
    description="Half of the cases opened in the period were solved within this time, those counted that are still "
    "open.",
    description_es="La mitad de los casos abiertos en el periodo se resolvieron en este tiempo, contando los que "
    "siguen abiertos.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="Kaplan–Meier median of the time from opening to last solved, cases opened in the period; an open case "
    "is watched until its source is known, follow_up_days (default 90) at most",
    formula_es="mediana de Kaplan–Meier del tiempo desde la apertura hasta la última resolución, de los casos "
    "abiertos en el periodo; un caso sin resolver se sigue hasta donde se conoce su fuente, como mucho "
    "follow_up_days días (por defecto, 90)",
    of=_median_of_opened(_t.last_solved_at),
)


def _openings_and_solutions() -> Fact:
    """Cases twice: by `opened_at` with a `change` of 1, and by `last_solved_at` with one of −1."""
    both = (fact(support_case, change=literal(1)), fact(support_case, _t.last_solved_at, change=literal(-1)))
    rows = select(union_all(*(each.rows for each in both)).subquery())
    return replace(both[0], rows=rows)


backlog = Kpi(
    name="backlog",
    title="Backlog",
    title_es="Casos pendientes",
    description="How many cases were open at the end of the period.",
    description_es="Cuántos casos seguían abiertos al final del periodo.",
    unit="cases",
    better="lower",
    lowest=0,
    decimals=0,
    formula="cases opened up to the end of the period − cases last solved up to then; n is the cases opened",
    formula_es="casos abiertos hasta el final del periodo − casos resueltos por última vez hasta entonces; n es el "
    "número de los abiertos",
    of=Stock(_openings_and_solutions(), column("change", Integer)),
)
