"""Keeps `touchpoint_judgement`: one row per touchpoint, and per thing that happened without one. For `calculator`.

Everything about one person depends on that person's rows alone. So only the persons are judged anew of whom something
changed, and the order of loads does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    String,
    TableClause,
    and_,
    cast,
    delete,
    except_,
    false,
    func,
    insert,
    literal,
    null,
    select,
    true,
    union,
    union_all,
)

from cxflow.kpis import shared
from cxflow.kpis.experience import evidence, journey, moments, seeds, verdicts
from cxflow.kpis.experience.moments import person
from cxflow.kpis.source_zones import zones
from cxflow.settings import Settings
from cxflow.warehouse import applied, engines
from cxflow.warehouse.functions import hashed, utc
from cxflow.warehouse.tables import (
    interaction,
    order_header,
    review,
    support_case,
    survey_response,
    touchpoint,
    touchpoint_judgement,
)

NAME = touchpoint_judgement.name

_VERSION = 2
"""Raise it if the same touchpoints become other rows: all are judged anew."""
_WHAT = "judgement"
_AT_A_TIME = 1_000_000
"""Touchpoints to judge in one go: what does not fit into memory takes far longer."""
_MOST_DAYS = 60
"""Of more changed days, everything is judged anew: that needs fewer steps."""
_SATELLITES = (
    (survey_response, survey_response.c.responded_at),
    (review, review.c.date_published),
    (interaction, interaction.c.offered_at),
    (support_case, support_case.c.opened_at),
)
"""Tables with evidence about touchpoints, each with its event time."""
READ = ("touchpoint", "order_header", "refund", *(satellite.name for satellite, _ in _SATELLITES))
"""The canonical tables whose changes are judged."""

_j = touchpoint_judgement.c

Touched = Mapping[str, Set[date | None]]


def refresh(connection: Connection, settings: Settings, touched: Touched, everything: bool) -> Touched:
    """Judge what loads changed, in the caller's transaction. Returns the touched days with those of `NAME`: the UTC
    days of rows that are others than before. Raises ConfigError if a seed table is wrong."""
    start = connection.scalar(journey.first_order())
    used = {
        "version": _VERSION,
        "seeds": seeds.fingerprint(settings, "polarity", "journey"),
        "timezone": settings.project.timezone,
        "zones": zones(settings),
        "repeat_contact_days": settings.kpis.repeat_contact_days,
        "start": start and start.astimezone(UTC).isoformat(),
    }
    is_other = applied.is_first(connection, _WHAT, json.dumps(used, sort_keys=True))
    days = {day for name in READ for day in touched.get(name, ())}
    known = sorted(day for day in days if day is not None)
    everything = everything or is_other or len(known) < len(days) or len(known) > _MOST_DAYS
    if not everything and not known:
        return touched
    work = _Judging(connection, settings, start)
    return {**touched, NAME: work.replace(None if everything else known)}


def forget(connection: Connection) -> None:
    """Judge everything in the next `refresh`: what loads change until then is not noted for it."""
    applied.forget(connection, _WHAT)


class _Whose(Protocol):
    """Some of the persons."""

    are_few: bool
    """Whether they are those of whom something changed."""

    def hold(self, who: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether a person is one of them."""

    def moments(self) -> Any:
        """Their touchpoints."""


@dataclass(frozen=True)
class _Some:
    """Those in a table."""

    persons: FromClause
    are_few = True

    def hold(self, who: ColumnElement[str]) -> ColumnElement[bool]:
        return who.in_(select(self.persons.c.person))

    def moments(self) -> Any:
        # Of unknown customers, an order or a case may know more.
        customer_id = touchpoint.c.customer_id
        may_be = (customer_id.in_(select(self.persons.c.person)), customer_id.is_(None))
        found = _of_any(moments.touchpoints(which) for which in may_be).subquery()
        return select(found).where(self.hold(found.c.person))


@dataclass(frozen=True)
class _Part:
    """One of several parts of all, by hash."""

    parts: int
    number: int
    are_few = False

    def hold(self, who: ColumnElement[str]) -> ColumnElement[bool]:
        return true() if self.parts == 1 else hashed(who) % self.parts == self.number

    def moments(self) -> Any:
        found = moments.touchpoints().subquery()
        return select(found).where(self.hold(found.c.person))


class _Judging:
    """One refresh. Its temporary tables hold the persons to judge anew, and nobody else."""

    def __init__(self, connection: Connection, settings: Settings, start: datetime | None) -> None:
        self._connection, self._settings, self._start = connection, settings, start
        self._rules, self._places = seeds.polarity(settings), seeds.journey(settings)
        self._is_first = connection.execute(select(_j.judgement_id).limit(1)).first() is None
        """Whether nobody has been judged."""
        self._stored: dict[str, shared.Stored] = {}

    def replace(self, days: Sequence[date] | None) -> set[date | None]:
        """Write the rows that are new or others, delete those that are gone, and return their UTC days: of the persons
        of whom something changed on the days, or of all."""
        if days is None:
            touchpoints = self._connection.scalar(select(func.count()).select_from(touchpoint)) or 0
            parts = 1 + touchpoints // _AT_A_TIME
            touched = set().union(*(self._judge(_Part(parts, number)) for number in range(parts)))
        else:
            touched = self._judge(_Some(self._store("judged_person", self._persons(days))))
        self._drop(*self._stored)
        if touched:
            engines.of(self._connection).analyze(self._connection, NAME)
        return touched

    def _judge(self, whose: _Whose) -> set[date | None]:
        """Judge the touchpoints and the evidence of these persons; returns the days of rows that changed."""
        moment = self._store("judged_moment", whose.moments())
        of_orders = self._store("judged_order", _of_orders(moment, whose))
        found = self._store("judged_evidence", self._evidence(moment, of_orders, whose))
        judged = verdicts.rows(moment, found, self._rules, self._places, self._start)
        touched = self._add(judged) if self._is_first else self._exchange(judged, whose)
        self._drop("judged_moment", "judged_order", "judged_evidence")
        return touched

    def _add(self, judged: Any) -> set[date | None]:
        """Write rows where there were none; returns the days of all."""
        columns = [each.name for each in judged.selected_columns]
        self._connection.execute(insert(touchpoint_judgement).from_select(columns, judged))
        return set(self._connection.scalars(select(_day(_j)).distinct()))

    def _exchange(self, judged: Any, whose: _Whose) -> set[date | None]:
        """Write the rows of these persons that are new or others, and delete those that are gone; returns their
        days."""
        now = self._store("judged_now", judged)
        # Of these persons, or of others then and of these now.
        of_either = union(
            select(_j.judgement_id).where(whose.hold(_person_before())), select(now.c.judgement_id)
        )
        before = self._store(
            "judged_before",
            select(*(_j[each.name] for each in now.c)).where(_j.judgement_id.in_(of_either)),
        )
        gone = self._store("judged_gone", except_(select(before), select(now)))
        new = self._store("judged_new", except_(select(now), select(before)))
        self._connection.execute(
            delete(touchpoint_judgement).where(_j.judgement_id.in_(select(gone.c.judgement_id)))
        )
        self._connection.execute(
            insert(touchpoint_judgement).from_select([each.name for each in new.c], select(new))
        )
        # A change of a customer is noted under the days of their touchpoints: a refund has none.
        others = select(now).where(now.c.touchpoint_id.is_(None), literal(whose.are_few)).subquery()
        changed = union(*(select(_day(some.c)) for some in (gone, new, others)))
        touched: set[date | None] = set(self._connection.scalars(changed))
        self._drop("judged_now", "judged_before", "judged_gone", "judged_new")
        return touched

    def _store(self, name: str, rows: Any) -> TableClause:
        """Store rows in a temporary table, to read them more than once."""
        stored = shared.store(self._connection, select(rows.subquery()), name)
        self._stored[name] = stored
        return stored.rows

    def _drop(self, *names: str) -> None:
        for name in names:
            self._stored.pop(name).drop()

    def _persons(self, days: Sequence[date]) -> Any:
        """The persons of whom something happened on the days, as it is now or as it was before."""
        t, o = touchpoint.c, order_header.c
        about = union_all(
            *(
                select(satellite.c.touchpoint_id).where(satellite.c.touchpoint_id.is_not(None), _on(at, days))
                for satellite, at in _SATELLITES
            )
        )
        on_days = _on(t.occurred_at, days)
        may_be = (on_days, t.touchpoint_id.in_(about))
        moment = _of_any(moments.touchpoints(which) for which in may_be).subquery()
        # Without touchpoints, all evidence is loose: some persons too many.
        nobody = moments.touchpoints(false()).subquery()
        other = verdicts.loose(self._found(nobody, nobody)).subquery()
        # Who placed an order lived through its delivery, unless somebody else took the parcel.
        taken = union(
            select(moment.c.order_id).where(moment.c.activity.in_(evidence.ORDER_ACTIVITIES)),
            select(_j.order_id).where(
                _j.activity.in_(evidence.ORDER_ACTIVITIES),
                _j.touchpoint_id.in_(select(t.touchpoint_id).where(on_days)),
            ),
        )
        return union(
            select(moment.c.person),
            *(
                select(_who_ordered()).where(which)
                for which in (_on(o.created_at, days), o.order_id.in_(taken))
            ),
            *(
                select(_person_before()).where(which)
                for which in (
                    _on(_j.occurred_at, days),
                    _j.touchpoint_id.in_(select(t.touchpoint_id).where(on_days)),
                    _j.order_id.in_(select(o.order_id).where(_on(o.created_at, days))),
                )
            ),
            select(other.c.person).where(_on(other.c.at, days)),
        )

    def _evidence(self, moment: FromClause, of_orders: FromClause, whose: _Whose) -> Any:
        found = self._found(moment, of_orders)
        other = verdicts.loose(found).subquery()
        return union_all(verdicts.linked(found, moment), select(other).where(whose.hold(other.c.person)))

    def _found(self, moment: FromClause, of_orders: FromClause) -> CTE:
        return union_all(*evidence.sources(self._rules, self._settings, moment, of_orders)).cte("found")


def _of_orders(moment: FromClause, whose: _Whose) -> Any:
    """The touchpoints at which an order was delivered or given back: of the orders that these touchpoints are about,
    and of those that these persons placed. Somebody else may have taken the parcel: it is no loose evidence then."""
    t, o = touchpoint.c, order_header.c
    wanted = union(
        select(moment.c.order_id).where(moment.c.order_id.is_not(None)),
        select(o.order_id).where(whose.hold(_who_ordered())),
    )
    # Where a touchpoint names no order, its case or its review may.
    may_be = (t.order_id.in_(wanted), t.order_id.is_(None))
    found = _of_any(
        moments.touchpoints(t.activity.in_(evidence.ORDER_ACTIVITIES), which) for which in may_be
    ).subquery()
    names = ("judgement_id", "order_id", "activity")
    return select(*(found.c[name] for name in names)).where(found.c.order_id.in_(wanted))


def _of_any(several: Iterable[Any]) -> Any:
    """The rows of several SELECTs. Not one SELECT with `OR`, for which PostgreSQL reads a long list anew for each row,
    and DuckDB the whole history."""
    return select(union_all(*several).subquery())


def _day(rows: Any) -> ColumnElement[date]:
    """The UTC day on which it was lived through."""
    return cast(utc(rows.occurred_at), Date)


def _who_ordered() -> ColumnElement[str]:
    none = cast(null(), String)
    return person(order_header.c.customer_id, order_header.c.order_id, none, none)


def _person_before() -> ColumnElement[str]:
    return person(_j.customer_id, _j.order_id, _j.case_id, _j.judgement_id)


def _on(at: ColumnElement[Any], days: Sequence[date]) -> ColumnElement[bool]:
    """Whether an instant is on one of the UTC days, in order. Its range first: an index may know it."""
    begin, end = (datetime.combine(day, time.min, UTC) for day in (days[0], days[-1] + timedelta(days=1)))
    return and_(at >= begin, at < end, cast(utc(at), Date).in_(days))
