"""Remembers with which settings something was computed, so that a change of them is noticed."""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.warehouse.tables import applied_settings


def change(connection: sa.Connection, what: str, settings: str) -> bool:
    """Remember the settings that something is computed with from now on. Returns whether it was computed with others
    before."""
    this = applied_settings.c.what == what
    before = connection.scalar(sa.select(applied_settings.c.settings).where(this))
    if before == settings:
        return False
    connection.execute(sa.delete(applied_settings).where(this))
    connection.execute(sa.insert(applied_settings).values(what=what, settings=settings))
    return before is not None


def is_first(connection: sa.Connection, what: str, settings: str) -> bool:
    """Remember the settings that something is computed with from now on. Returns whether they are others than before,
    or the first."""
    this = applied_settings.c.what == what
    known = connection.scalar(sa.select(applied_settings.c.settings).where(this))
    return change(connection, what, settings) or known is None


def forget(connection: sa.Connection, what: str) -> None:
    """Forget them: the next computation is the first."""
    connection.execute(sa.delete(applied_settings).where(applied_settings.c.what == what))
