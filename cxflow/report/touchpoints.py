"""Counts the touchpoints of the edition's period: the journey, its channels, the reasons of contacts. Called by
`contents`.

One pass over the touchpoints of two periods for the journey and the channels, one over the contacts for the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from cxflow.model.activities import SUPPORT_ACTIVITIES
from cxflow.report.edition import Edition
from cxflow.warehouse.tables import touchpoint, touchpoint_judgement

Phase = Literal["awareness", "consideration", "purchase", "delivery", "service", "advocacy"]

PHASES: tuple[Phase, ...] = ("awareness", "consideration", "purchase", "delivery", "service", "advocacy")
"""The journey, in order."""

_PHASE_OF: Mapping[str, Phase] = {
    "received_campaign": "awareness",
    "opened_campaign": "awareness",
    "visited_page": "awareness",
    "became_contact": "consideration",
    "became_lead": "consideration",
    "visited_place": "purchase",
    "placed_order": "purchase",
    "paid_order": "purchase",
    "cancelled_order": "purchase",
    "became_customer": "purchase",
    "received_delivery": "delivery",
    "returned_order": "service",
    "received_refund": "service",
    "filed_complaint": "service",
    "received_survey": "advocacy",
    "answered_survey": "advocacy",
    "left_survey": "advocacy",
    "wrote_review": "advocacy",
    "received_reply": "advocacy",
}
_PHASE_BY_STAGE: Mapping[str | None, Phase] = {"before": "consideration", "during": "purchase"}
"""For the other activities; after the purchase they are service."""
MOST_REASONS = 12

_t = touchpoint.c


@dataclass(slots=True)
class Volume:
    """Touchpoints in the period and in the one before."""

    now: int = 0
    before: int = 0

    def add(self, now: int, before: int) -> None:
        """Count further ones."""
        self.now += now
        self.before += before


@dataclass(slots=True)
class Polarity:
    """How the judged experiences of the period were."""

    good: int = 0
    neutral: int = 0
    bad: int = 0

    @property
    def judged(self) -> int:
        """All of them."""
        return self.good + self.neutral + self.bad


@dataclass(slots=True)
class PhaseCount:
    """One phase of the journey."""

    phase: Phase
    volume: Volume = field(default_factory=Volume)
    external: int = 0
    """Touchpoints of the period where the brand does not control the place."""
    activities: dict[str, Volume] = field(default_factory=dict)
    """The most frequent first."""
    polarity: Polarity | None = None
    """None: touchpoints are not judged in this warehouse."""


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Support contacts for one reason."""

    reason: str
    volume: Volume
    by_phone: int
    """Contacts of the period by telephone."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why customers made contact."""

    most_frequent: tuple[ReasonCount, ...]
    others: Volume
    """Contacts for further reasons."""
    other_reasons: int
    """How many further reasons."""
    unknown: Volume
    """Contacts without a reason."""

    @property
    def contacts(self) -> int:
        """All contacts of the period."""
        return sum(each.volume.now for each in self.most_frequent) + self.others.now + self.unknown.now


@dataclass(frozen=True, slots=True)
class Touchpoints:
    """The touchpoints of an edition."""

    volume: Volume
    phases: tuple[PhaseCount, ...]
    channels: Mapping[str, Volume]
    """The most frequent first."""
    reasons: Reasons
    is_judged: bool
    """Whether touchpoints are judged as good or bad in this warehouse."""


def read(connection: sa.Connection, edition: Edition) -> Touchpoints:
    """Count them. Without a period there are none."""
    if edition.period is None:
        return Touchpoints(Volume(), (), {}, Reasons((), Volume(), 0, Volume()), False)
    now = edition.period.instants(edition.zone)
    before = edition.period.before.instants(edition.zone)
    rows = connection.execute(_counts(now, before)).all()
    phases = {phase: PhaseCount(phase) for phase in PHASES}
    channels: dict[str, Volume] = {}
    total = Volume()
    for row in sorted(rows, key=lambda each: (-each.now, each.activity, each.channel)):
        phase = phases[phase_of(row.activity, row.journey_stage)]
        phase.volume.add(row.now, row.before)
        phase.activities.setdefault(row.activity, Volume()).add(row.now, row.before)
        phase.external += row.now if row.control == "external" else 0
        channels.setdefault(row.channel, Volume()).add(row.now, row.before)
        total.add(row.now, row.before)
    is_judged = _add_polarity(connection, now, phases)
    return Touchpoints(
        volume=total,
        phases=tuple(phases.values()),
        channels=_most_frequent(channels),
        reasons=_reasons(connection, now, before),
        is_judged=is_judged,
    )


def phase_of(activity: str, stage: str | None) -> Phase:
    """The phase of the journey that an activity belongs to; for an activity of the company's own, by its stage."""
    return _PHASE_OF.get(activity) or _PHASE_BY_STAGE.get(stage, "service")


Span = tuple[datetime, datetime]


def _within(at: sa.ColumnElement[Any], span: Span) -> sa.ColumnElement[bool]:
    return sa.and_(at >= span[0], at < span[1])


def _in_both(now: Span, before: Span) -> tuple[sa.Label[int], sa.Label[int], sa.ColumnElement[bool]]:
    """The counts of the two periods, and the condition for their rows."""
    counts = (sa.func.count().filter(_within(_t.occurred_at, span)) for span in (now, before))
    return (
        next(counts).label("now"),
        next(counts).label("before"),
        _within(_t.occurred_at, (before[0], now[1])),
    )


def _counts(now: Span, before: Span) -> sa.Select[Any]:
    of_now, of_before, in_either = _in_both(now, before)
    group = (_t.activity, _t.channel, _t.control, _t.journey_stage)
    return sa.select(*group, of_now, of_before).where(in_either, ~_t.is_deleted).group_by(*group)


def _reasons(connection: sa.Connection, now: Span, before: Span) -> Reasons:
    of_now, of_before, in_either = _in_both(now, before)
    by_phone = sa.func.count().filter(_within(_t.occurred_at, now), _t.channel == "phone").label("by_phone")
    is_contact = _t.activity.in_(SUPPORT_ACTIVITIES)
    counted = (
        sa.select(_t.reason, of_now, of_before, by_phone)
        .where(in_either, ~_t.is_deleted, is_contact)
        .group_by(_t.reason)
        .cte("counted")
    )
    c = counted.c
    alike = c.reason.is_(None)
    order = (c.now.desc(), c.before.desc(), c.reason)
    ranked = sa.select(
        counted,
        sa.func.row_number().over(partition_by=alike, order_by=order).label("place"),
        sa.func.count().over(partition_by=alike).label("reasons"),
        sa.func.sum(c.now).over(partition_by=alike).label("now_of_all"),
        sa.func.sum(c.before).over(partition_by=alike).label("before_of_all"),
    ).subquery()
    query = sa.select(ranked).where(ranked.c.place <= MOST_REASONS).order_by(ranked.c.place)
    rows = connection.execute(query).all()
    known = [row for row in rows if row.reason is not None]
    first = tuple(ReasonCount(row.reason, Volume(row.now, row.before), row.by_phone) for row in known)
    others, other_reasons = Volume(), 0
    if known:
        others = Volume(int(known[0].now_of_all), int(known[0].before_of_all))
        other_reasons = known[0].reasons - len(known)
    for each in first:
        others.add(-each.volume.now, -each.volume.before)
    unknown = next((Volume(row.now, row.before) for row in rows if row.reason is None), Volume())
    return Reasons(first, others, other_reasons, unknown)


def _add_polarity(connection: sa.Connection, now: Span, phases: Mapping[Phase, PhaseCount]) -> bool:
    """Add the judgements that count, by phase. Returns whether there are any."""
    j = touchpoint_judgement.c
    group = (j.activity, j.journey_stage, j.polarity)
    counted = sa.select(*group, sa.func.count().label("n")).where(
        _within(j.occurred_at, now), j.is_counted, j.polarity.is_not(None)
    )
    rows: Sequence[Any] = connection.execute(counted.group_by(*group)).all()
    for each in phases.values():
        each.polarity = Polarity() if rows else None
    for row in rows:
        # What happened without a touchpoint is a delivery that came late, or did not come.
        polarity = phases[phase_of(row.activity, row.journey_stage) if row.activity else "delivery"].polarity
        assert polarity is not None
        name = {-1: "bad", 0: "neutral", 1: "good"}[row.polarity]
        setattr(polarity, name, getattr(polarity, name) + row.n)
    return bool(rows)


def _most_frequent(volumes: Mapping[str, Volume]) -> dict[str, Volume]:
    def rank(item: tuple[str, Volume]) -> tuple[int, int, str]:
        return -item[1].now, -item[1].before, item[0]

    ordered: Iterable[tuple[str, Volume]] = sorted(volumes.items(), key=rank)
    return dict(ordered)
