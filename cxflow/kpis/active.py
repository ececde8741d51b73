"""What makes a customer active in a period: an order or, as `kpis.active_by` says, something else that they do."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, String, column, select

from cxflow.errors import ConfigError
from cxflow.kpis.facts import Fact, fact
from cxflow.kpis.order_facts import kept
from cxflow.settings import Settings
from cxflow.warehouse.tables import touchpoint

_MOST_SHOWN = 20
_activity = touchpoint.c.activity


@lru_cache(maxsize=4)
def active(activities: tuple[str, ...]) -> Fact:
    """Touchpoints with one of these activities; without any, orders that are not cancelled."""
    if not activities:
        return kept
    return fact(touchpoint, done=_activity).where(column("done", String).in_(activities))


def check_activities(connection: Connection, settings: Settings) -> None:
    """Raise ConfigError if a touchpoint of one of the activities is not known: a misspelt name would lose customers."""
    wanted = settings.kpis.active_by
    if not wanted:
        return
    done = select(_activity).where(~touchpoint.c.is_deleted).distinct()
    missing = set(wanted) - set(connection.scalars(done.where(_activity.in_(wanted))))
    if not missing:
        return
    known = connection.scalars(done.order_by(_activity).limit(_MOST_SHOWN)).all()
    raise ConfigError(
        f"nobody has done what kpis.active_by names: {', '.join(sorted(missing))}",
        value="kpis.active_by",
        fix=f"the activities are: {', '.join(known)}" if known else "no touchpoint is loaded yet",
    )
