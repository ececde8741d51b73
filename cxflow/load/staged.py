"""The temporary tables of a load as SQLAlchemy tables, and the state its steps share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cxflow.landing import prepared, zone
from cxflow.model.batch import BatchRef
from cxflow.warehouse.tables import CANONICAL, mappable


def names(table: sa.FromClause) -> list[str]:
    """The names of a table's columns."""
    return [column.name for column in table.columns]


def _stage(name: str, *columns: str) -> sa.TableClause:
    return sa.table(f"stage_{name}", *(sa.column(column) for column in columns))


RECORD = _stage("record", *prepared.RECORD)
"""The records that passed."""

OUTCOME = _stage("outcome", "_row", "record_id", "outcome", "is_newer")
"""The outcome of each, decided by `merge.decide`, and whether it is at least as new as the loaded version."""

CHANGED = OUTCOME.c.outcome.in_(("inserted", "updated", "deleted"))
"""The outcomes of records whose rows the load writes."""

CLAIMED, DISCARDED = "claimed", "discarded"
"""The outcomes of records that share a canonical key with another, and of those whose entry in quarantine for that was
discarded: they have no rows, but are in the registry (`claims`)."""

WITHDRAWN = _stage("withdrawn", "record_id")
"""Known records whose rows are removed, because what is loaded puts them in doubt."""

IDENTIFIER = _stage("identifier", *prepared.IDENTIFIER)
REFUSED = _stage("refused", *prepared.REFUSAL)

ENTRY = _stage("entry", *prepared.REFUSAL, "quarantine_id")
"""The refused records as entries of the quarantine."""

PLACE = _stage("place", "batch_id", "row_number")
"""Of a derived batch: where each of its records was landed first."""

CONFLICT = _stage("conflict", "record_id", "version_at", "received_at", "origin", "batch_id")
"""Keys that are in conflict: versions of one time that differ."""

OLDER_PROFILE = _stage("older_profile", *prepared.OLDER_PROFILE)
"""What profiles say in records of which the batch holds a newer version."""

ROWS: dict[str, sa.TableClause] = {
    name: _stage(name, *prepared.ROW, *mappable(table)) for name, table in CANONICAL.items()
}
"""Canonical rows by table."""


@dataclass(frozen=True, slots=True)
class Loading:
    """One load, within the caller's transaction."""

    warehouse: sa.Connection
    batch: BatchRef
    manifest: zone.Manifest
    verdict: prepared.Verdict
    now: datetime
    has_every_lock: bool = False
    """Whether no other load runs meanwhile, of whatever stream."""

    @property
    def is_remap(self) -> bool:
        """Whether the batch holds everything that was landed, to be mapped anew."""
        return self.batch.mode == "remap"

    def of_stream(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The condition for a table's rows from this batch's stream."""
        return sa.and_(
            table.c.source_system == self.batch.connection, table.c.source_object == self.batch.stream
        )

    def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """Run a statement in the load's transaction."""
        return self.warehouse.execute(statement)
