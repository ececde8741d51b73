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


def keep(connection: Connection, kpi: Kpi, found: Status) -> None:
    """Store a KPI's status, if it changed."""
    before = connection.execute(
        select(_t.status, _t.reason).where(_t.kpi == kpi.name, _t.version == kpi.version)
    ).first()
    if before is not None and tuple(before) == tuple(found):
        return
    connection.execute(delete(kpi_status).where(_t.kpi == kpi.name))
    row = {"kpi": kpi.name, "version": kpi.version, "since": datetime.now(UTC), **found._asdict()}
    connection.execute(insert(kpi_status), row)


def read(connection: Connection) -> dict[str, Status]:
    """The status of each KPI by name; those that were never computed have none."""
    rows = connection.execute(select(_t.kpi, _t.status, _t.reason)).all()
    return {row.kpi: Status(row.status, row.reason) for row in rows}


def has_failed(connection: Connection, kpi: Kpi) -> bool:
    """Whether its last computation failed: what changed since then was not noted for it."""
    found = connection.scalar(select(_t.status).where(_t.kpi == kpi.name, _t.version == kpi.version))
    return found == "failed"


def without_events(connection: Connection, kpi: Kpi, settings: Settings) -> Status:
    """Why a KPI has no events: the settings that it lacks, the first of its tables without rows or, if all have some,
    what it counts."""
    if (lacking := kpi.lacks(settings)) is not None:
        return Status("no events", lacking)
    for table in (CANONICAL[name] for name in kpi.estimator(settings).tables):
        if not has_rows(connection, table):
            return Status("no events", f"{NO_ROWS}{table.name}")
    if kpi.needs is not None:
        needed = next(iter(kpi.needs.get_final_froms()), None)
        if isinstance(needed, Table) and not has_rows(connection, needed):
            return Status("no events", f"{NO_ROWS}{needed.name}")
    return Status("no events", f"{NOTHING}{kpi.counts or kpi.formula}")


def has_rows(connection: Connection, table: Table) -> bool:
    """Whether a canonical table has any rows that are not deleted."""
    rows = select(table.c.source_system).where(~table.c.is_deleted).limit(1)
    return connection.execute(rows).first() is not None
