"""The most frequent ways to a purchase, to a complaint, and to leaving: the last touchpoints before it.

A journey is one such event of a known customer, with the last four steps of the 30 days before it. A step is an
activity on a channel; the same one several times in a row is one step, at its last time. Journeys with the same steps
are one path. Paths of few customers are not told: they could name somebody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Double,
    String,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from cxflow.kpis.facts import Rows, epoch
from cxflow.kpis.order_facts import is_cancelled
from cxflow.warehouse.tables import order_header, touchpoint

Goal = Literal["purchase", "complaint", "leaving"]
MOST_STEPS = 4
WITHIN = timedelta(days=30)
"""How long before the event a step may be."""
SILENT = timedelta(days=90)
"""Who ordered once, and of whom nothing was heard for so long, has left."""
COMPLAINT = "filed_complaint"
PURCHASE = "placed_order"

_t, _o = touchpoint.c, order_header.c
_kept = (~_o.is_deleted, ~is_cancelled)
_BETWEEN = "\t"
"""Between activity and channel; no activity has it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happened, and where."""

    activity: str
    channel: str | None


@dataclass(frozen=True, slots=True)
class Path:
    """Journeys with the same steps."""

    steps: tuple[Step, ...]
    """The first one first; none: nothing in the 30 days before."""
    journeys: int
    customers: int
    hours: tuple[float | None, ...]
    """Median hours from each step to the next one; before a purchase or a complaint also from the last step to it."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The ways to one kind of event."""

    before: Goal
    journeys: int
    """All of them."""
    customers: int
    paths: tuple[Path, ...]
    """The most frequent first; only those of enough customers."""

    @property
    def others(self) -> int:
        """Journeys on rarer paths."""
        return self.journeys - sum(path.journeys for path in self.paths)


def read(
    connection: Connection,
    before: Goal,
    *,
    min_customers: int,
    most: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Paths:
    """The ways to the events of a half-open time range, or of all time: the `most` frequent paths of at least
    `min_customers`."""
    row = _grouped(before, since, until).subquery()
    is_whole = row.c.is_whole == 1
    rows = connection.execute(
        select(row)
        .where(or_(is_whole, row.c.customers >= min_customers))
        .order_by(row.c.is_whole.desc(), row.c.journeys.desc(), *(row.c[_label(i)] for i in _numbers()))
        .limit(most + 1)
    ).all()
    if not rows or not rows[0].journeys:
        return Paths(before, 0, 0, ())
    whole, paths = rows[0], rows[1:]
    return Paths(
        before,
        whole.journeys,
        whole.customers,
        tuple(_path(found._asdict(), with_last=before != "leaving") for found in paths),
    )


def _path(row: Mapping[str, Any], *, with_last: bool) -> Path:
    """A path from its row, whose steps are counted from the event back."""
    texts = [row[_label(i)] for i in _numbers() if row[_label(i)] is not None]
    hours = [row[f"hours_{i}"] for i in _numbers()][: len(texts)]
    steps = [text.split(_BETWEEN, 1) for text in texts]
    return Path(
        tuple(Step(activity, channel or None) for activity, channel in reversed(steps)),
        row["journeys"],
        row["customers"],
        tuple(reversed(hours if with_last else hours[1:])),
    )


def _numbers() -> range:
    """1 is the step before the event."""
    return range(1, MOST_STEPS + 1)


def _label(number: int) -> str:
    return f"step_{number}"


def _grouped(before: Goal, since: datetime | None, until: datetime | None) -> Rows:
    """One row per path, and one for all (`is_whole`): journeys, customers, median hours."""
    journey = _journeys(before, since, until).subquery()
    labels = [journey.c[_label(i)] for i in _numbers()]
    times = [journey.c.at, *(journey.c[f"at_{i}"] for i in _numbers())]
    medians = (
        func.percentile_cont(0.5).within_group((later - earlier) / 3600).label(f"hours_{i}")
        for i, (later, earlier) in enumerate(pairwise(times), 1)
    )
    return (
        select(
            *labels,
            func.grouping(labels[0]).label("is_whole"),
            func.count().label("journeys"),
            func.count(journey.c.customer_id.distinct()).label("customers"),
            *medians,
        )
        .select_from(journey)
        .group_by(func.grouping_sets(tuple_(*labels), tuple_()))
    )


def _journeys(before: Goal, since: datetime | None, until: datetime | None) -> Rows:
    """One row per event: the labels and times of the steps before it, null where there are fewer."""
    order: dict[str, Any] = {"partition_by": column("customer_id"), "order_by": _ORDER}
    moment = _moments(before, since, until).subquery()
    following = select(
        moment,
        func.lead(moment.c.step).over(**order).label("next_step"),
        func.lead(moment.c.is_event).over(**order).label("is_before_event"),
    ).subquery()
    repeats = and_(
        ~following.c.is_event,
        func.coalesce(~following.c.is_before_event, False),
        func.coalesce(following.c.step == following.c.next_step, False),
    )
    step = select(following).where(~repeats).subquery()
    lags = (
        func.lag(step.c[name], i).over(**order).label(label)
        for i in _numbers()
        for name, label in (("step", _label(i)), ("at", f"at_{i}"))
    )
    all_ = select(step.c.customer_id, step.c.at, step.c.is_event, *lags).subquery()
    near = {i: all_.c.at - all_.c[f"at_{i}"] <= WITHIN.total_seconds() for i in _numbers()}
    return select(
        all_.c.customer_id,
        all_.c.at,
        *(case((near[i], all_.c[name])).label(name) for i in _numbers() for name in (_label(i), f"at_{i}")),
    ).where(all_.c.is_event)


# Of one instant, the event comes first: what happens together with it is not before it.
_ORDER: Sequence[ColumnElement[Any]] = (
    column("at", Double),
    case((column("is_event", Boolean), 0), else_=1),
    column("id", String),
)


def _moments(before: Goal, since: datetime | None, until: datetime | None) -> Rows:
    """What the customers of the events lived through: their orders, their other touchpoints, and for leaving the end
    itself. `customer_id`, `at` in seconds, `id`, `step`, `is_event`."""
    start = since and since - WITHIN
    left = _leavings(since, until).cte("leaving")
    is_complaint = _t.activity == COMPLAINT
    complained = select(_t.customer_id).where(
        ~_t.is_deleted, is_complaint, *_between(_t.occurred_at, since, until)
    )
    bought = select(_o.customer_id).where(*_kept, *_between(_o.created_at, since, until))
    who = {"purchase": bought, "complaint": complained, "leaving": select(left.c.customer_id)}[before]
    its = and_(_t.touchpoint_id == _o.touchpoint_id, ~_t.is_deleted)
    orders = (
        select(
            _o.customer_id,
            epoch(_o.created_at).label("at"),
            _o.order_id.label("id"),
            _step(literal(PURCHASE), _t.channel).label("step"),
            and_(literal(before == "purchase"), *_between(_o.created_at, since, until)).label("is_event"),
        )
        .select_from(order_header.outerjoin(touchpoint, its))
        .where(*_kept, _o.customer_id.in_(who), *_between(_o.created_at, start, until))
    )
    others = select(
        _t.customer_id,
        epoch(_t.occurred_at),
        _t.touchpoint_id,
        _step(_t.activity, _t.channel),
        and_(literal(before == "complaint"), is_complaint, *_between(_t.occurred_at, since, until)),
    ).where(
        ~_t.is_deleted,
        _t.customer_id.in_(who),
        ~exists().where(_o.touchpoint_id == _t.touchpoint_id, *_kept, _o.customer_id.is_not(None)),
        *_between(_t.occurred_at, start, until),
    )
    ends = select(left.c.customer_id, left.c.at, left.c.customer_id, cast(null(), String), literal(True))
    return select(union_all(orders, others, *([ends] if before == "leaving" else [])).subquery())


def _step(activity: ColumnElement[Any], channel: ColumnElement[Any]) -> ColumnElement[str]:
    return cast(activity, String) + _BETWEEN + func.coalesce(channel, "")


def _between(
    at: ColumnElement[Any], since: datetime | None, until: datetime | None
) -> Sequence[ColumnElement[bool]]:
    edges = ((at >= since) if since else None, (at < until) if until else None)
    return [edge for edge in edges if edge is not None]


def _leavings(since: datetime | None, until: datetime | None) -> Rows:
    """Right after the last thing that came from a customer who had ordered, if all sources of their orders are known
    for so long after it, by their newest orders. What the brand sent afterwards is not heard of them."""
    order = select(_o.customer_id, _o.created_at.label("at"), _o.source_system).where(*_kept).subquery()
    newest = (
        select(order.c.source_system, func.max(order.c.at).label("at"))
        .group_by(order.c.source_system)
        .subquery()
    )
    known = (
        select(order.c.customer_id, func.min(newest.c.at).label("until"))
        .join_from(order, newest, newest.c.source_system == order.c.source_system)
        .where(order.c.customer_id.is_not(None))
        .group_by(order.c.customer_id)
        .subquery()
    )
    from_them = func.coalesce(_t.direction, "") != "outbound"
    # Whoever was heard of for the last time in a range was so in it, and not after it.
    heard = select(_t.customer_id, _t.occurred_at.label("at")).where(
        ~_t.is_deleted, from_them, *_between(_t.occurred_at, since, None)
    )
    ordered = select(order.c.customer_id, order.c.at).where(*_between(order.c.at, since, None))
    moment = union_all(heard, ordered).subquery()
    last = select(moment.c.customer_id, func.max(moment.c.at).label("at")).group_by(moment.c.customer_id)
    left = last.subquery()
    return (
        select(
            left.c.customer_id,
            # After everything of that instant.
            (epoch(left.c.at) + 1).label("at"),
        )
        .join_from(left, known, known.c.customer_id == left.c.customer_id)
        .where(epoch(known.c.until) - epoch(left.c.at) >= SILENT.total_seconds())
        .where(*_between(left.c.at, since, until))
    )
