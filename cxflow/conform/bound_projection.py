"""Bound projections: a mapping's projections, typed and bound to the wide tables that hold their cells.

Called by `batch`, which builds the wide tables (`wide_table`) and reads canonical rows back from them. In the SQL, `s`
is the wide table; `f` holds the touchpoint if it comes from another wide table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Column, Table

from cxflow.conform.expressions import Cast, Notation, cast, cast_id, compared, duckdb_type
from cxflow.conform.guard import Evaluation
from cxflow.duck import identifier, literal
from cxflow.model.activities import ACTIVITIES
from cxflow.model.scales import SCALES
from cxflow.warehouse import tables


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the records come from, and how they write text values."""

    system: str
    stream: str
    notation: Notation
    currency: str
    """Default currency, ISO 4217."""
    reasons: Mapping[str, str]
    """Another name of a reason, as it is compared, to the one that is kept."""


@dataclass(frozen=True, slots=True)
class BoundProjection:
    """One projection onto one canonical table."""

    table: Table
    number: int
    """Its position among the projections onto that table, in mapping order."""
    evaluation: Evaluation
    kinds: Mapping[str, str]
    """Mapped column to the DuckDB type of its expression."""
    origin: Origin

    @property
    def place(self) -> str:
        """Its name in the wide table: a boolean column there, true if the record has this row at all."""
        return f"{self.table.name}_{self.number}"

    @property
    def is_row(self) -> str:
        """SQL: whether the record has this row at all."""
        return f"s.{identifier(self.place)}"

    @property
    def wide_table(self) -> str:
        """The wide table with its cells. All projections without a list share one."""
        return f"wide_{self.place}" if self.evaluation.for_each else "wide"

    def raw(self, column: str) -> str:
        """The column name of an evaluated expression, before its cast."""
        return identifier(f"{self.place}:{column}")

    def cell(self, column: str) -> str:
        """The column name of a canonical value in the wide table."""
        return identifier(f"{self.place}.{column}")

    def casts(self) -> dict[str, Cast]:
        """Mapped column to the cast of its evaluated expression."""
        columns = tables.mappable(self.table)
        return {name: self._cast(columns[name], kind) for name, kind in self.kinds.items()}

    def _cast(self, column: Column[object], kind: str) -> Cast:
        raw = self.raw(column.name)
        if column.info.get("qualified"):
            return cast_id(raw, kind, self.origin.system)
        found = cast(raw, kind, duckdb_type(column.type), self.origin.notation)
        if column.name == "reason" and self.origin.reasons:
            kept = {name: literal(reason) for name, reason in self.origin.reasons.items()}
            return replace(found, value=f"coalesce({_lookup(compared(found.value), kept)}, {found.value})")
        return found

    def derived(self) -> dict[str, str]:
        """Defaults that cxflow fills in for unmapped or null columns: column to SQL over the cells, `record_id` and
        `_received_at`."""
        mapped = self.kinds
        found: dict[str, str] = {}
        if self.table is tables.touchpoint:
            found["touchpoint_id"] = (
                f"md5(concat_ws(chr(31), {literal(self.origin.system)}, {literal(self.origin.stream)}, record_id, "
                f"{self.cell('activity') if 'activity' in mapped else 'NULL'}, nullif(_item, 0)))"
            )
            activity = self.cell("activity") if "activity" in mapped else "NULL"
            for name in ("stage", "control", "direction"):
                known = {key: literal(getattr(item, name)) for key, item in ACTIVITIES.items()}
                found["journey_stage" if name == "stage" else name] = _lookup(activity, known)
            found["received_at"] = "_received_at"
        if self.table is tables.survey_response:
            metric = self.cell("metric_type") if "metric_type" in mapped else "NULL"
            found["worst_rating"] = _lookup(
                metric, {name: str(scale.worst) for name, scale in SCALES.items()}
            )
            found["best_rating"] = _lookup(metric, {name: str(scale.best) for name, scale in SCALES.items()})
        if self.table is tables.review:
            found["worst_rating"], found["best_rating"] = "1", "5"
        if self.table is tables.interaction:
            found |= self._durations()
        if "currency_code" in tables.mappable(self.table):
            found["currency_code"] = literal(self.origin.currency)
        return {
            name: f"coalesce({self.cell(name)}, {sql})" if name in mapped else sql
            for name, sql in found.items()
        }

    def _durations(self) -> dict[str, str]:
        """The durations of a contact that follow from its times."""

        def seconds(start: str, *ends: str, less: str = "") -> str | None:
            known = [self.cell(end) for end in ends if end in self.kinds]
            if start not in self.kinds or not known:
                return None
            elapsed = (
                f"(epoch_us(coalesce({', '.join([*known, 'NULL'])})) - epoch_us({self.cell(start)})) / 1e6"
            )
            return f"{elapsed} - coalesce({self.cell(less)}, 0)" if less in self.kinds else elapsed

        found = {
            "wait_seconds": seconds("offered_at", "answered_at", "abandoned_at"),
            "talk_seconds": seconds("answered_at", "ended_at", less="hold_seconds"),
        }
        return {name: sql for name, sql in found.items() if sql}


def _lookup(key: str, values: dict[str, str]) -> str:
    whens = " ".join(f"WHEN {literal(name)} THEN {value}" for name, value in values.items())
    return f"CASE {key} {whens} END"


def required(table: Table) -> list[str]:
    """The columns that every row must have, sorted."""
    found = {name for name, column in tables.mappable(table).items() if not column.nullable}
    return sorted(found | set(table.info["key"]))


@dataclass(frozen=True, slots=True)
class Rows:
    """How to read the canonical rows of one projection from its wide table."""

    projection: BoundProjection
    source: str
    """The FROM clause, with the wide table as `s`."""
    outputs: Mapping[str, str]
    """Canonical column to SQL."""

    @property
    def is_joined(self) -> bool:
        """Whether the rows need more than the record's own row of the table `wide`."""
        return self.source != "wide s"

    @property
    def missing(self) -> dict[str, str]:
        """Required column to the SQL condition that it is null."""
        return {name: f"({self.outputs[name]}) IS NULL" for name in required(self.projection.table)}

    @property
    def exists(self) -> str:
        """SQL: whether the record has the row, with all its required columns."""
        return " AND ".join([self.projection.is_row, *(f"NOT ({sql})" for sql in self.missing.values())])

    @property
    def content(self) -> str:
        """SQL: a hash of the row's values, null if there is no row. Nulls and empty strings differ; `received_at` is
        left out."""
        texts = [
            f"coalesce({_text(self.projection.table.c[name], sql)}, chr(30))"
            for name, sql in self.outputs.items()
            if name != "received_at"
        ]
        return (
            f"CASE WHEN {self.exists} THEN "
            f"md5_number_lower(concat_ws(chr(31), {literal(self.projection.table.name)}, {', '.join(texts)})) END"
        )

    @property
    def event_at(self) -> str | None:
        """SQL: the time of its event; None for tables without an event time."""
        name = self.projection.table.info["event_time"]
        return f"CASE WHEN {self.exists} THEN {self.outputs[name]} END" if name else None


def _text(column: Column[object], sql: str) -> str:
    # Times as numbers: DuckDB formats a time through ICU, which takes five times as long.
    return f"epoch_us({sql})::VARCHAR" if column.type is tables.TIME else f"({sql})::VARCHAR"


def summary(rows: Sequence[Rows]) -> str:
    """SQL columns that sum up a record's rows: `_folded`, the hash of their content, `_row_count`, and `_event_at`, the
    earliest event.

    XOR folds the hashes, because order within a record means nothing. 64 bits are enough: a hash is only ever compared
    with those of other versions of the same record.
    """
    folded, events = "0::UBIGINT", [each.event_at for each in rows if each.event_at]
    for each in rows:
        folded = f"xor({folded}, coalesce({each.content}, 0::UBIGINT))"
    count = " + ".join([f"({each.exists})::INTEGER" for each in rows]) or "0"
    return f"{folded} AS _folded, {count} AS _row_count, least({', '.join(events) or 'NULL::TIMESTAMPTZ'}) AS _event_at"


def rows_of(projections: Sequence[BoundProjection]) -> list[Rows]:
    """The rows of all projections. Satellites get the first touchpoint of their record, in mapping order."""
    made: list[Rows] = []
    touchpoints = [_own(projection) for projection in projections if projection.table is tables.touchpoint]
    in_wide = all(rows.projection.wide_table == "wide" for rows in touchpoints)
    first = ", ".join(
        f"CASE WHEN {rows.exists} THEN {rows.outputs['touchpoint_id']} END" for rows in touchpoints
    )
    for projection in projections:
        own = _own(projection)
        if projection.table is tables.touchpoint or not touchpoints or "touchpoint_id" not in own.outputs:
            made.append(own)
            continue
        joined = not (in_wide and projection.wide_table == "wide")
        known = "f.touchpoint_id" if joined else f"coalesce({first})"
        made.append(
            Rows(
                projection,
                f"{own.source} LEFT JOIN {FIRST_TOUCHPOINT} f ON f._row = s._row" if joined else own.source,
                {**own.outputs, "touchpoint_id": f"coalesce({own.outputs['touchpoint_id']}, {known})"},
            )
        )
    return made


FIRST_TOUCHPOINT = "first_touchpoint"
"""The table (`_row`, `touchpoint_id`) with a record's first touchpoint, for rows in another wide table."""


def first_touchpoint(rows: Sequence[Rows]) -> str | None:
    """The SELECT for FIRST_TOUCHPOINT; None if no row needs it."""
    if not any(FIRST_TOUCHPOINT in each.source for each in rows):
        return None
    touchpoints = [
        f"SELECT s._row, {each.outputs['touchpoint_id']} AS touchpoint_id, "
        f"{each.projection.number} AS projection, s._item FROM {each.source} WHERE {each.exists}"
        for each in rows
        if each.projection.table is tables.touchpoint
    ]
    return (
        "SELECT _row, arg_min(touchpoint_id, {'projection': projection, 'item': _item}) AS touchpoint_id "
        f"FROM ({' UNION ALL '.join(touchpoints)}) GROUP BY _row"
    )


def _own(projection: BoundProjection) -> Rows:
    cells = {*projection.kinds, *projection.derived()}
    outputs = {
        name: f"s.{projection.cell(name)}" if name in cells else f"NULL::{duckdb_type(column.type)}"
        for name, column in tables.mappable(projection.table).items()
    }
    return Rows(projection, f"{projection.wide_table} s", outputs)


def view(rows: Sequence[Rows]) -> str:
    """The SELECT for a canonical table's rows from all its projections, numbered by `row_id`. It carries the record's
    columns that the load needs: joining `record` again would take longer than the rest of a large load."""
    selects = []
    for number, each in enumerate(rows):
        outputs = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in each.outputs.items())
        selects.append(
            f"SELECT s.rowid * {len(rows)} + {number} AS row_id, s._row, s._received_at, s.record_id, s.is_deleted, "
            f"{outputs} FROM {each.source} WHERE {each.exists}"
        )
    return " UNION ALL ".join(selects)
