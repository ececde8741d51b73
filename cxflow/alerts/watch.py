"""Remembers alerts: since when each is there, and whether somebody was told. Called by `flow`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cxflow.alerts.alert import Alert
from cxflow.alerts.find import find
from cxflow.settings import Settings
from cxflow.warehouse import engines, revisions, transactions
from cxflow.warehouse.tables import alert as alerts

_t = alerts.c
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """An alert that is there now."""

    alert: Alert
    since: datetime
    """When it was first found."""
    is_told: bool
    """Whether somebody was told."""


def look(settings: Settings, now: datetime) -> list[Known]:
    """All alerts of now, the longest known first; remembers new ones, and forgets those that are over."""

    def looked(connection: sa.Connection) -> list[Known]:
        engines.of(connection).lock_definitions(connection)  # two that look at once would find the same ones
        revisions.require(connection)
        found = {_key(each): each for each in find(connection, settings, now)}
        before = {(row.kind, row.place, row.subject): row for row in connection.execute(sa.select(alerts))}
        _forget(connection, before.keys() - found.keys())
        new = [
            {"kind": kind, "place": place, "subject": subject, "first_seen_at": now, "told_at": None}
            for kind, place, subject in found
            if (kind, place, subject) not in before
        ]
        if new:
            connection.execute(sa.insert(alerts), new)
        known = [
            Known(
                each,
                before[key].first_seen_at if key in before else now,
                key in before and before[key].told_at is not None,
            )
            for key, each in found.items()
        ]
        return sorted(known, key=lambda each: each.since)

    return transactions.committed(settings, looked)


def told(settings: Settings, known: Collection[Alert], now: datetime) -> None:
    """Note that somebody was told of alerts."""
    keys = [_key(each) for each in known]
    if keys:
        change = sa.update(alerts).where(_is_one_of(keys)).values(told_at=now)
        transactions.committed(settings, lambda connection: connection.execute(change))


def _forget(connection: sa.Connection, keys: Collection[_Key]) -> None:
    if keys:
        connection.execute(sa.delete(alerts).where(_is_one_of(keys)))


def _is_one_of(keys: Collection[_Key]) -> sa.ColumnElement[bool]:
    return sa.or_(
        *(sa.and_(_t.kind == kind, _t.place == place, _t.subject == subject) for kind, place, subject in keys)
    )


def _key(alert: Alert) -> _Key:
    return alert.kind, alert.place, alert.subject
