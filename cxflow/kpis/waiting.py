"""How long those who open cases wait for the team, from the states of the cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Double, Subquery, and_, case, column, func, select

from cxflow.errors import ConfigError
from cxflow.kpis.facts import Fact, Rows, fact, seconds_between
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.quantile import Quantile
from cxflow.kpis.support_contacts import Span, within
from cxflow.settings import Settings
from cxflow.warehouse.tables import case_status_history, support_case

NO_STATES = "without a history of states"
_MOST_SHOWN = 20
_t, _h = support_case.c, case_status_history.c
_state = func.lower(func.trim(_h.status))
_waited = column("waited_minutes", Double)


def _named(statuses: Sequence[str]) -> tuple[str, ...]:
    """Names of states as they are compared: in lower case, each once, sorted."""
    return tuple(sorted({name.strip().lower() for name in statuses}))


@lru_cache(maxsize=4)
def waits(statuses: tuple[str, ...]) -> Fact:
    """Cases by `last_solved_at`: the minutes in states with these names up to then, in any case of letters."""
    solved = fact(support_case, _t.last_solved_at, case_id=_t.case_id)
    names = _named(statuses)

    def of_range(start: datetime, end: datetime) -> Rows:
        return _with_wait(solved.between(start, end).rows, names, (start, end))

    waited = replace(solved.derived(lambda rows: _with_wait(rows, names, None)), narrowed=of_range)
    return waited.needing(NO_STATES, _waited.is_not(None))


def _with_wait(rows: Rows, names: Sequence[str], span: Span | None) -> Rows:
    """The cases with `waited_minutes`; null without a state. `span`: when they were solved."""
    row, state = rows.subquery(), _states(span)
    # A state without an end lasts until the next one. None lasts beyond the solution, whatever follows a reopening.
    seconds = seconds_between(state.c.valid_from, func.least(state.c.until, state.c.last_solved_at))
    waiting = case((and_(state.c.status.in_(names), seconds > 0), seconds), else_=0.0)
    of_case = select(state.c.case_id, (func.sum(waiting) / 60).label("waited_minutes")).group_by(
        state.c.case_id
    )
    found = of_case.subquery()
    return select(row, found.c.waited_minutes).join_from(
        row, found, found.c.case_id == row.c.case_id, isouter=True
    )


def _states(span: Span | None) -> Subquery:
    """The states of solved cases: `status`, `valid_from`, `until` and when the case was last solved."""
    following = func.lead(_h.valid_from).over(partition_by=_h.case_id, order_by=_h.valid_from)
    return (
        select(
            _h.case_id,
            _h.valid_from,
            _state.label("status"),
            func.coalesce(_h.valid_to, following, _t.last_solved_at).label("until"),
            _t.last_solved_at,
        )
        .join_from(case_status_history, support_case, _t.case_id == _h.case_id)
        .where(
            ~_h.is_deleted, ~_t.is_deleted, _t.last_solved_at.is_not(None), *within(_t.last_solved_at, span)
        )
        .subquery()
    )


def _check(connection: Connection, settings: Settings) -> None:
    """Raise ConfigError if no case has ever been in one of the states: a misspelt name would be no wait at all."""
    wanted = _named(settings.kpis.waiting_statuses)
    state = select(_state).where(~_h.is_deleted)
    if not wanted or connection.execute(state.where(_state.in_(wanted)).limit(1)).first():
        return
    known = connection.scalars(state.distinct().order_by(_state).limit(_MOST_SHOWN)).all()
    if not known:
        return
    raise ConfigError(
        f"no case has been in a state of kpis.waiting_statuses: {', '.join(wanted)}",
        value="kpis.waiting_statuses",
        fix=f"the states are: {', '.join(known)}",
    )


requester_wait_minutes = Kpi(
    name="requester_wait_minutes",
    title="Requester wait time, median",
    title_es="Tiempo de espera del solicitante, mediana",
    description="Who opened a case waited this long for the team, in half of the cases solved in the period. Time in "
    "which the team waited for an answer is not in it.",
    description_es="Quien abrió un caso esperó este tiempo al equipo en la mitad de los casos resueltos en el periodo. "
    "No incluye el tiempo en que el equipo esperaba respuesta.",
    unit="minutes",
    better="lower",
    lowest=0,
    formula="median of the minutes in the states of waiting_statuses up to last solved, cases last solved in the "
    "period whose states are known",
    formula_es="mediana de los minutos en los estados de waiting_statuses hasta la última resolución, de los casos "
    "resueltos por última vez en el periodo cuyos estados se conocen",
    of=lambda settings: Quantile(waits(settings.kpis.waiting_statuses), _waited, 0.5),
    needs=select(_h.case_id),
    lacks=lambda settings: (
        None if settings.kpis.waiting_statuses else "no state: set waiting_statuses in [kpis]"
    ),
    check=_check,
)
