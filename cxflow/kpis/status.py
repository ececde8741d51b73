"""The status of each KPI: whether it could be computed and, if there is no value, why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, Table, delete, insert, select

from cxflow.kpis.kpi import Kpi
from cxflow.settings import Settings
from cxflow.warehouse.tables import CANONICAL, kpi_status

_t = kpi_status.c


class Status(NamedTuple):
    """The outcome of a KPI's last computation."""

    status: Literal["computed", "failed", "no events"]
    reason: str | None = None
    """Why it failed or has no events; None if it was computed."""


COMPUTED = Status("computed")
NO_ROWS, NOTHING = "no rows in ", "nothing that it counts: "
"""How the reasons begin of a KPI without events: what follows is a table, or what the KPI counts."""


def read(connection: Connection) -> dict[str, Status]:
    """The status of each KPI by name; those that were never computed have none."""
    rows = connection.execute(select(_t.kpi, _t.status, _t.reason)).all()
    return {row.kpi: Status(row.status, row.reason) for row in rows}


class Statuses:
    """The statuses of all KPIs, read once for a computation and kept at its end."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection, self._settings = connection, settings
        self._before = {
            row.kpi: (row.version, Status(row.status, row.reason))
            for row in connection.execute(select(_t.kpi, _t.version, _t.status, _t.reason))
        }
        self._found: dict[str, tuple[int, Status]] = {}
        self._with_rows: dict[str, bool] = {}
        """Table to whether it has rows, of those looked at."""

    def has_failed(self, kpi: Kpi) -> bool:
        """Whether its last computation failed, of whichever version: what changed since then was not noted for it."""
        _, before = self._before.get(kpi.name, (kpi.version, COMPUTED))
        return before.status == "failed"

    def note(self, kpi: Kpi, found: Status) -> None:
        """What came of a KPI."""
        self._found[kpi.name] = kpi.version, found

    def note_without_events(self, kpi: Kpi) -> None:
        """That a KPI has no events, and why: the settings that it lacks, the first of its tables without rows or, if
        all have some, what it counts."""
        self.note(kpi, Status("no events", self._why_without_events(kpi)))

    def _why_without_events(self, kpi: Kpi) -> str:
        if (lacking := kpi.lacks(self._settings)) is not None:
            return lacking
        for name in kpi.estimator(self._settings).tables:
            if not self.has_rows(CANONICAL[name]):
                return f"{NO_ROWS}{name}"
        if kpi.needs is not None:
            needed = next(iter(kpi.needs.get_final_froms()), None)
            if isinstance(needed, Table) and not self.has_rows(needed):
                return f"{NO_ROWS}{needed.name}"
        return f"{NOTHING}{kpi.counts or kpi.formula}"

    def has_rows(self, table: Table) -> bool:
        """Whether a canonical table has any rows that are not deleted."""
        if table.name not in self._with_rows:
            rows = select(table.c.source_system).where(~table.c.is_deleted).limit(1)
            self._with_rows[table.name] = self._connection.execute(rows).first() is not None
        return self._with_rows[table.name]

    def keep(self) -> None:
        """Store the statuses that changed."""
        changed = {kpi: found for kpi, found in self._found.items() if self._before.get(kpi) != found}
        if changed:
            self._connection.execute(delete(kpi_status).where(_t.kpi.in_(list(changed))))
            since = datetime.now(UTC)
            rows = [
                {"kpi": kpi, "version": version, "since": since, **found._asdict()}
                for kpi, (version, found) in changed.items()
            ]
            self._connection.execute(insert(kpi_status).values(rows))
