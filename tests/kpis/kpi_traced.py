"""What tests of traces share: the raw records of a desk's rows, and which numbers of a trace do not add up."""

from __future__ import annotations

from datetime import date

from kpi_desk import BY_NAME, FIRST, Desk
from sqlalchemy import insert, select

from cxflow.kpis.periods import Period
from cxflow.kpis.trace import Check, Trace, trace
from cxflow.warehouse.tables import CANONICAL, source_record

MARCH = Period("month", date(2025, 3, 1))


def traced(
    desk: Desk, kpi: str, period: Period = MARCH, by: tuple[str, str] | None = None, rows: int = 10
) -> Trace:
    return trace(desk.connection, desk.settings, BY_NAME[kpi], period, by, rows)


def land(desk: Desk, file: str = "a.csv", batch: str = "b1") -> None:
    """Register the raw record of each row that has none: one file of one batch, a row for each."""
    known = {
        (row.source_system, row.source_object, row.source_record_id)
        for row in desk.connection.execute(select(source_record))
    }
    rows = []
    for table in CANONICAL.values():
        names = (table.c.source_system, table.c.source_object, table.c.source_record_id)
        found = sorted({tuple(row) for row in desk.connection.execute(select(*names))} - known)
        known |= set(found)
        rows += found
    registered = {
        "received_at": FIRST,
        "content_hash": "",
        "is_deleted": False,
        "run_id": "run",
        "origin": file,
        "batch_id": batch,
    }
    desk.connection.execute(
        insert(source_record),
        [
            registered
            | {
                "source_system": system,
                "source_object": stream,
                "source_record_id": key,
                "row_number": number,
            }
            for number, (system, stream, key) in enumerate(rows, 1)
        ],
    )


def failing(found: Trace) -> list[Check]:
    return [check for check in found.checks if not check.adds_up]
