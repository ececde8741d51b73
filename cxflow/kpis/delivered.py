"""How far sources are delivered, as far as loads know."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, select

from cxflow.settings import Settings
from cxflow.warehouse.tables import stream_state

ALL = ""
"""The source that stands for all sources."""
_t = stream_state.c


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is delivered now, and by whom more will come."""

    awaited: Set[str]
    """The sources that will deliver more: those that are configured, and not `ended`."""
    until: Mapping[str, datetime]
    """Source to the instant up to which all its streams are delivered, at most `now`. Of one that is missing, nobody
    knows."""
    now: datetime
    """The instant of this computation."""

    @classmethod
    def read(cls, connection: Connection, settings: Settings, now: datetime) -> Self:
        """From the states of the streams. One that the settings do not read any more does not count."""
        until: dict[str, datetime] = {}
        states = select(_t.source_system, _t.source_object, _t.known_until)
        for source, stream, at in connection.execute(states):
            only = settings.connections.get(source, {}).get("only")
            if at is not None and (not only or stream in only):
                until[source] = min(at, until.get(source, now))
        awaited = {name for name, tree in settings.connections.items() if not tree.get("ended")}
        return cls(awaited, until, now)
