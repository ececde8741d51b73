"""DuckDB as a source. It stays read-only whatever a query contains: the file is opened read-only, nothing outside of it
can be reached, no setting can be changed, and only what DuckDB's own parser finds to be one SELECT is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from cxflow import scratch
from cxflow.connect.sql.database import SourceDatabase
from cxflow.connect.sql.row_tables import Partition
from cxflow.duck import literal, seal_sql, settings_sql
from cxflow.errors import ConfigError


class DuckdbFile(SourceDatabase):
    """A file, in one transaction. Rows are fetched as Arrow, which represents every value."""

    has_one_snapshot: ClassVar[bool] = True
    has_infinite_times: ClassVar[bool] = True

    @classmethod
    @contextmanager
    def opened(cls, url: sa.URL, timeout_seconds: float, folders: Sequence[str] = ()) -> Iterator[Self]:
        """As in `SourceDatabase`. Data that does not fit in memory spills to a scratch folder."""
        with (
            scratch.folder("spill") as spill,
            super().opened(url, timeout_seconds) as database,
        ):
            with database._step():
                database._seal(spill, folders)
            yield database

    @classmethod
    def _engine(cls, url: sa.URL, **arguments: Any) -> sa.Engine:
        return super()._engine(url, read_only=True, **arguments)

    def _seal(self, spill: Path, folders: Sequence[str]) -> None:
        """Cut the connection off from everything but its file and `folders`, irrevocably."""
        self._run(settings_sql())
        self._run(f"SET temp_directory = {literal(str(spill))}")
        self._run(seal_sql(folders=folders))
        sa.event.listen(self._connection, "before_cursor_execute", self._require_one_select)

    def _require_one_select(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        kinds = [each.type for each in self._driver.extract_statements(statement)]
        if kinds != [duckdb.StatementType.SELECT]:
            raise ConfigError("the query is not one SELECT; a source is only read", value="query")

    def _interrupt(self) -> Callable[[], None] | None:
        interrupt: Callable[[], None] = self._driver.interrupt
        return interrupt

    def spelled(self, names: list[str], query: str | None) -> list[str]:
        """As in `SourceDatabase`: the second `score` is `Score_1`. The query is bound, and not run."""
        if query is None:
            return names
        self._require_one_select(None, None, query)
        with self._step():
            return list(self._driver.sql(query).columns)

    def masked(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        """As in `SourceDatabase`, in one pass over the text."""
        return sa.func.translate(text, "012345678", "999999999")

    def first(self, statement: sa.Select[Any]) -> Any:
        """As in `SourceDatabase`."""
        with self._step():
            table = self._cursor(statement).to_arrow_table()
        if not table.num_rows:
            return None
        like = _like(table.schema.field(0).type)
        return table.column(0)[0].as_py() if like is None else like

    def partitions(
        self,
        statement: sa.Select[Any],
        rows: int,
        *,
        key: Sequence[str] = (),  # noqa: ARG002  nothing is refused
        cursor: int | None = None,
    ) -> Iterator[Partition]:
        """As in `SourceDatabase`, without SQLAlchemy's buffering of rows."""
        with self._step():
            reader = self._cursor(statement).to_arrow_reader(rows)
        while True:
            with self._step():
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            if batch.num_rows:
                keys = None if cursor is None else batch.column(cursor).drop_null()
                last = (
                    keys[-1].as_py() if keys is not None and len(keys) and _like(keys.type) is None else None
                )
                yield Partition(pa.Table.from_batches([batch]), last=last)

    def _cursor(self, statement: sa.Select[Any]) -> Any:
        return self._execute(statement).cursor


def _like(kind: pa.DataType) -> Any:
    """Some time of a time type, None for other types: Python may be unable to represent DuckDB's own values."""
    if pa.types.is_timestamp(kind):
        return datetime(1970, 1, 1, tzinfo=UTC if kind.tz else None)
    return date(1970, 1, 1) if pa.types.is_date(kind) else None
