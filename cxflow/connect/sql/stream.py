"""The settings of a database stream. Read by `connector` and `selection`."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from cxflow.model.snapshots import SnapshotStream
from cxflow.model.stream import LONGEST

CursorType = Literal["time", "epoch", "epoch_ms", "key"]


class SqlStream(SnapshotStream):
    """A stream of a database: a table or a query."""

    table: str | None = None
    """A table or view, `schema.name`; without a schema, in the database's default one."""
    query: str | None = None
    """One SELECT (WITH … SELECT, VALUES, TABLE) that changes nothing and yields the same rows each time. It is used as
    a sub-select, so some databases allow no ORDER BY at its end."""
    cursor: tuple[str, ...] = Field(default=(), max_length=4)
    """First a time column that advances with every change, or a key that grows; then tie-breakers. Unset: the whole
    stream is read each time."""
    cursor_type: CursorType | None = None
    """What the first cursor column holds: time, epoch (seconds since 1970), epoch_ms, or key. Unset: times and texts in
    ISO 8601 are times, anything else is a key."""
    look_back: timedelta = Field(default=timedelta(hours=1), ge=timedelta(0), le=LONGEST)
    """How far before the last run's end a scheduled run starts reading a time cursor again: a transaction may commit
    long after the time that it wrote. Rows that commit later than that are lost. Seconds or ISO 8601."""
    without_cursor: Literal["stop", "read", "skip"] = "stop"
    """What to do with rows whose cursor is null, which no window contains: stop (refuse to read), read (read them each
    time), skip (leave them out)."""
    look_back_keys: int = Field(default=1000, ge=0)
    """How far before its last integer key a scheduled run starts reading again: of two transactions, the one with the
    lower key may commit last."""
    partition_rows: int = Field(default=20_000, ge=1)
    """Rows held in memory at a time."""

    @model_validator(mode="after")
    def _one_source(self) -> SqlStream:
        if bool(self.table) == bool(self.query):
            raise ValueError('a stream needs either table = "schema.name" or query = "SELECT …"')
        if self.cursor and self.cursor[0] in self.pii:
            raise ValueError(
                f"the cursor {self.cursor[0]!r} is tagged as personal data, and cursors are stored"
            )
        if self.snapshot and self.cursor:
            raise ValueError(
                "snapshot = true needs a stream that is read whole each time, and cursor reads a part of it; remove one"
            )
        return self

    @property
    def remarks(self) -> list[str]:
        """What becomes of rows that are gone from the database."""
        if self.snapshot or self.deleted or self.cursor:
            return []
        return [
            "a row that is deleted in the database stays, unless snapshot = true says that each reading is whole"
        ]

    @property
    def place(self) -> tuple[str | None, str]:
        """The table's schema and name."""
        schema, _, name = (self.table or "").rpartition(".")
        return schema or None, name

    @property
    def origin(self) -> str:
        """The origin of its records."""
        return self.table or "query"
