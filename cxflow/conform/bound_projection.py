"""Parts: one projection of a mapping each, typed and bound to the sheet that holds its cells.

Called by `batch`, which builds the sheets (`sheets`) and reads canonical rows back out of them. SQL over a sheet
calls it `s`; where a row's touchpoint comes from another sheet, `f` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Table

from cxflow.conform.expressions import Cast, Notation, cast, cast_id, duckdb_type
from cxflow.conform.guard import Evaluation
from cxflow.duck import identifier, literal
from cxflow.model.activities import ACTIVITIES
from cxflow.model.scales import SCALES
from cxflow.warehouse import tables


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose records they are, and how these write what they keep as text."""

    system: str
    stream: str
    notation: Notation
    currency: str
    """ISO 4217, where no currency is said."""


@dataclass(frozen=True, slots=True)
class Part:
    """One projection to one canonical table."""

    table: Table
    number: int
    """Among the projections to that table, in the order of the mapping."""
    evaluation: Evaluation
    kinds: Mapping[str, str]
    """Mapped column to the DuckDB type of its expression."""
    origin: Origin

    @property
    def place(self) -> str:
        """Its name within a sheet: there, a boolean column that says whether the record has the row at all."""
        return f"{self.table.name}_{self.number}"

    @property
    def is_row(self) -> str:
        """Whether the record has this row at all, as SQL."""
        return f"s.{identifier(self.place)}"

    @property
    def sheet(self) -> str:
        """The sheet with its cells: all projections without a list share one."""
        return f"sheet_{self.place}" if self.evaluation.for_each else "sheet"

    def raw(self, column: str) -> str:
        """The name of an evaluated expression, before it is cast."""
        return identifier(f"{self.place}:{column}")

    def cell(self, column: str) -> str:
        """The name of a canonical value in the sheet."""
        return identifier(f"{self.place}.{column}")

    def casts(self) -> dict[str, Cast]:
        """Mapped column to the cast of its evaluated expression."""
        columns = tables.mappable(self.table)
        return {name: self._cast(columns[name], kind) for name, kind in self.kinds.items()}

    def _cast(self, column: Column[object], kind: str) -> Cast:
        raw = self.raw(column.name)
        if column.info.get("qualified"):
            return cast_id(raw, kind, self.origin.system)
        return cast(raw, kind, duckdb_type(column.type), self.origin.notation)

    def derived(self) -> dict[str, str]:
        """What cxflow fills where a mapping is silent or null: column to SQL over the cells, the record's key and
        its time of delivery, which stand beside them."""
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
        if "currency_code" in tables.mappable(self.table):
            found["currency_code"] = literal(self.origin.currency)
        return {
            name: f"coalesce({self.cell(name)}, {sql})" if name in mapped else sql
            for name, sql in found.items()
        }


def _lookup(key: str, values: dict[str, str]) -> str:
    whens = " ".join(f"WHEN {literal(name)} THEN {value}" for name, value in values.items())
    return f"CASE {key} {whens} END"


def required(table: Table) -> list[str]:
    """The columns that a row cannot do without."""
    found = {name for name, column in tables.mappable(table).items() if not column.nullable}
    return sorted(found | set(table.info["key"]))


@dataclass(frozen=True, slots=True)
class Rows:
    """How the canonical rows of one part are read from its sheet."""

    part: Part
    source: str
    """What to select from: the sheet as `s`."""
    outputs: Mapping[str, str]
    """Canonical column to SQL."""

    @property
    def is_joined(self) -> bool:
        """Whether it takes more than the record's own line of the sheet."""
        return self.source != "sheet s"

    @property
    def missing(self) -> dict[str, str]:
        """Column that a row cannot do without to the condition that it is not there."""
        return {name: f"({self.outputs[name]}) IS NULL" for name in required(self.part.table)}

    @property
    def exists(self) -> str:
        """Whether the record has the row, and the row all that it needs."""
        return " AND ".join([self.part.is_row, *(f"NOT ({sql})" for sql in self.missing.values())])

    @property
    def content(self) -> str:
        """A hash of the row's values, nulls told from empty ones; null where there is no row. When it was
        received is not content."""
        texts = [
            f"coalesce({_text(self.part.table.c[name], sql)}, chr(30))"
            for name, sql in self.outputs.items()
            if name != "received_at"
        ]
        return (
            f"CASE WHEN {self.exists} THEN "
            f"md5_number_lower(concat_ws(chr(31), {literal(self.part.table.name)}, {', '.join(texts)})) END"
        )

    @property
    def event_at(self) -> str | None:
        """When its event happened; None for tables that have none."""
        name = self.part.table.info["event_time"]
        return f"CASE WHEN {self.exists} THEN {self.outputs[name]} END" if name else None


def _text(column: Column[object], sql: str) -> str:
    # A time as a number: to write it as a text, DuckDB asks ICU, which takes five times as long.
    return f"epoch_us({sql})::VARCHAR" if column.type is tables.TIME else f"({sql})::VARCHAR"


def summary(rows: Sequence[Rows]) -> str:
    """What the rows of a record come to, as columns of its line `s`: `_folded`, the hash of their content, `_parts`,
    their number, and `_event_at`, the first of their events.

    Order within a record means nothing, so that hashes are folded. They have 64 bits: one is only ever compared with
    those of the same record's other versions.
    """
    folded, events = "0::UBIGINT", [each.event_at for each in rows if each.event_at]
    for each in rows:
        folded = f"xor({folded}, coalesce({each.content}, 0::UBIGINT))"
    parts = " + ".join([f"({each.exists})::INTEGER" for each in rows]) or "0"
    return f"{folded} AS _folded, {parts} AS _parts, least({', '.join(events) or 'NULL::TIMESTAMPTZ'}) AS _event_at"


def rows_of(parts: Sequence[Part]) -> list[Rows]:
    """The canonical rows of all parts; satellites learn the first touchpoint of their record, in the order of the
    mapping."""
    made: list[Rows] = []
    touchpoints = [_own(part) for part in parts if part.table is tables.touchpoint]
    beside = all(rows.part.sheet == "sheet" for rows in touchpoints)
    first = ", ".join(
        f"CASE WHEN {rows.exists} THEN {rows.outputs['touchpoint_id']} END" for rows in touchpoints
    )
    for part in parts:
        own = _own(part)
        if part.table is tables.touchpoint or not touchpoints or "touchpoint_id" not in own.outputs:
            made.append(own)
            continue
        joined = not (beside and part.sheet == "sheet")
        known = "f.touchpoint_id" if joined else f"coalesce({first})"
        made.append(
            Rows(
                part,
                f"{own.source} LEFT JOIN {FIRST_TOUCHPOINT} f ON f._row = s._row" if joined else own.source,
                {**own.outputs, "touchpoint_id": f"coalesce({own.outputs['touchpoint_id']}, {known})"},
            )
        )
    return made


FIRST_TOUCHPOINT = "first_touchpoint"
"""The table that has it where it is not in the same sheet: `_row`, `touchpoint_id`."""


def first_touchpoint(rows: Sequence[Rows]) -> str | None:
    """The SELECT of that table; None where nothing needs it."""
    if not any(FIRST_TOUCHPOINT in each.source for each in rows):
        return None
    touchpoints = [
        f"SELECT s._row, {each.outputs['touchpoint_id']} AS touchpoint_id, {each.part.number} AS part, s._item "
        f"FROM {each.source} WHERE {each.exists}"
        for each in rows
        if each.part.table is tables.touchpoint
    ]
    return (
        "SELECT _row, arg_min(touchpoint_id, {'part': part, 'item': _item}) AS touchpoint_id "
        f"FROM ({' UNION ALL '.join(touchpoints)}) GROUP BY _row"
    )


def _own(part: Part) -> Rows:
    cells = {*part.kinds, *part.derived()}
    outputs = {
        name: f"s.{part.cell(name)}" if name in cells else f"NULL::{duckdb_type(column.type)}"
        for name, column in tables.mappable(part.table).items()
    }
    return Rows(part, f"{part.sheet} s", outputs)


def view(rows: Sequence[Rows]) -> str:
    """The SELECT of a canonical table's rows, numbered by `row_id`, from all its parts. What the load asks of their
    record stands beside them: to join it again would take longer than all the rest of a long load."""
    selects = []
    for number, each in enumerate(rows):
        outputs = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in each.outputs.items())
        selects.append(
            f"SELECT s.rowid * {len(rows)} + {number} AS row_id, s._row, s._received_at, s.record_id, s.is_deleted, "
            f"{outputs} FROM {each.source} WHERE {each.exists}"
        )
    return " UNION ALL ".join(selects)
