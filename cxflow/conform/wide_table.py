"""Wide tables: all values that a mapping makes of the raw records, cast to their types, in one pass.

The table `wide` has one row per record: its key, version and deletion, its identifiers, and one cell per column of each
projection. A projection that unnests a list has its own wide table, with one row per item. `_misfits` lists the values
that do not fit. Canonical tables are views of the wide tables (`bound_projection`): nothing is written twice. Called by
`batch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from cxflow.conform.bound_projection import BoundProjection
from cxflow.conform.expressions import Cast, Notation, cast
from cxflow.conform.guard import DATA_ERRORS, Evaluation, evaluate
from cxflow.conform.plain_ids import plain
from cxflow.duck import identifier, literal


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cast value on its way into a wide table."""

    name: str
    """The column of the cast value, as SQL."""
    raw: str
    """The column of the evaluated expression, as SQL."""
    place: str
    """Its name in a reject."""
    cast: Cast

    @property
    def misfit(self) -> str:
        """SQL over both: whether there is a raw value and it does not fit."""
        return f"({self.cast.present} AND {self.name} IS NULL)"


@dataclass(frozen=True, slots=True)
class _WideTable:
    """A wide table to write."""

    name: str
    head: str
    """Its first columns, as SQL over the evaluated and cast values."""
    projections: Sequence[BoundProjection]
    cells: Sequence[_Cell]
    summary: str = ""
    """Its last columns, as SQL over the others."""


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """The columns of a record as a whole: key, version, deletion, identifiers."""

    evaluation: Evaluation
    kinds: Mapping[str, str]
    """Expression to its DuckDB type."""
    keys: int
    """The number of expressions in the key."""
    notation: Notation

    @property
    def identifiers(self) -> list[str]:
        """The columns with the raw values of identifiers."""
        return [name for name in self.kinds if name.startswith("identifiers.")]

    def cells(self) -> list[_Cell]:
        """The cells of version and deletion, if declared."""
        targets = {"version": "TIMESTAMPTZ", "deleted": "BOOLEAN"}
        return [
            _Cell(
                f'"{name}.value"',
                f'"{name}"',
                name,
                cast(f'"{name}"', self.kinds[name], target, self.notation),
            )
            for name, target in targets.items()
            if name in self.kinds
        ]

    @property
    def key(self) -> str:
        """SQL: the record's key; null if any component is empty."""
        names = [f"primary_key_{number}" for number in range(1, self.keys + 1)]
        keys = [f"nullif({plain(name, self.kinds[name])}, '')" for name in names]
        if len(keys) > 1:
            keys = [rf"replace(replace({key}, '\', '\\'), '|', '\|')" for key in keys]
        return " || chr(124) || ".join(keys)

    @property
    def outputs(self) -> str:
        """Its columns in the table `wide`, as SQL over key and cells."""
        is_deleted = 'coalesce("deleted.value", false)' if "deleted" in self.kinds else "false"
        version_at = '"version.value"' if "version" in self.kinds else "NULL::TIMESTAMPTZ"
        if "version" in self.kinds and "deleted" in self.kinds:
            # A tombstone often has only its key: its version is its time of delivery.
            version_at = f"coalesce({version_at}, CASE WHEN {is_deleted} THEN _received_at END)"
        values = [f"{self._texts(name)} AS {identifier(name)}" for name in self.identifiers]
        return ", ".join(["record_id", f"{version_at} AS version_at", f"{is_deleted} AS is_deleted", *values])

    def _texts(self, name: str) -> str:
        """An identifier as text, or as a list of texts; what is neither stays as it is, to be refused by name."""
        kind = self.kinds[name]
        if kind.startswith(("STRUCT", "MAP")) or kind.endswith("[][]"):
            return identifier(name)
        return f"{identifier(name)}::{'VARCHAR[]' if kind.endswith('[]') else 'VARCHAR'}"


def make(
    database: duckdb.DuckDBPyConnection,
    record: RecordColumns,
    projections: Sequence[BoundProjection],
    summary: str,
) -> None:
    """Create the wide tables, and refuse the records with a value that does not fit. `summary` is SQL for further
    columns of the table `wide`, over its others.

    The plain query runs first. If an expression fails on some record, each expression is evaluated and caught
    separately (`guard`).
    """
    flat = [projection for projection in projections if projection.wide_table == "wide"]
    cells = [*record.cells(), *(cell for projection in flat for cell in _cells(projection))]
    key = f", {record.key} AS record_id"
    own = "_row, _received_at, _origin, _landed_batch, _landed_row, _raw_hash, _item"
    wide = _WideTable("wide", f"{own}, {record.outputs}", flat, cells, summary)
    try:
        _write(database, wide, _typed(_evaluated(record, flat), cells, key))
    except DATA_ERRORS:
        _write(database, wide, _typed(_caught(database, record, flat), cells, key))
    for projection in projections:
        if projection.wide_table == "wide":
            continue
        cells = _cells(projection)
        wide = _WideTable(
            projection.wide_table, "_row, _received_at, _item, record_id, is_deleted", [projection], cells
        )
        try:
            _write(database, wide, _of_record(_typed(_items(projection), cells)))
        except DATA_ERRORS:
            place = projection.place
            evaluate(database, projection.evaluation, f"evaluated_{place}")
            names = _renamed(projection, "e")
            caught = f"SELECT e._row, e._item, true AS {identifier(place)}{names} FROM evaluated_{place} e"
            _write(database, wide, _of_record(_typed(caught, cells)))


def _cells(projection: BoundProjection) -> list[_Cell]:
    return [
        _Cell(projection.cell(name), projection.raw(name), f"{projection.table.name}.{name}", made)
        for name, made in projection.casts().items()
    ]


def _evaluated(record: RecordColumns, projections: Sequence[BoundProjection]) -> str:
    """SQL: the uncast values of all projections without a list, in one pass over the raw records."""
    outputs = [f"({sql}) AS {identifier(name)}" for name, sql in record.evaluation.expressions.items()]
    for projection in projections:
        where = projection.evaluation.where
        outputs.append(
            f"{f'coalesce(({where})::BOOLEAN, false)' if where else 'true'} AS {identifier(projection.place)}"
        )
        for name, sql in projection.evaluation.expressions.items():
            # Rows that the condition excludes are not evaluated, so they cannot fail.
            value = f"CASE WHEN ({where}) THEN ({sql}) END" if where else f"({sql})"
            outputs.append(f"{value} AS {projection.raw(name)}")
    return f"SELECT _row, 0 AS _item, {', '.join(outputs)} FROM raw"


def _caught(
    database: duckdb.DuckDBPyConnection, record: RecordColumns, projections: Sequence[BoundProjection]
) -> str:
    """SQL: the same values if an expression fails on some record: null there, and the record is refused."""
    evaluate(database, record.evaluation, "evaluated_record")
    selects, joins = "SELECT e.*", " FROM evaluated_record e"
    for projection in projections:
        place = f"evaluated_{projection.place}"
        evaluate(database, projection.evaluation, place)
        selects += (
            f", {place}._row IS NOT NULL AS {identifier(projection.place)}{_renamed(projection, place)}"
        )
        joins += f" LEFT JOIN {place} ON {place}._row = e._row"
    return selects + joins


def _renamed(projection: BoundProjection, table: str) -> str:
    return "".join(f", {table}.{identifier(name)} AS {projection.raw(name)}" for name in projection.kinds)


def _items(projection: BoundProjection) -> str:
    """SQL: the uncast values of a projection that unnests a list."""
    evaluation = projection.evaluation
    where = f" WHERE ({evaluation.where})" if evaluation.where else ""
    outputs = "".join(f", ({sql}) AS {projection.raw(name)}" for name, sql in evaluation.expressions.items())
    return (
        f"SELECT _row, {evaluation.item} AS _item, true AS {identifier(projection.place)}{outputs} "
        f"FROM {evaluation.source()}{where}"
    )


def _typed(evaluated: str, cells: Sequence[_Cell], also: str = "") -> str:
    values = "".join(f", {cell.cast.value} AS {cell.name}" for cell in cells)
    return f"SELECT *{also}{values} FROM ({evaluated})"


def _of_record(typed: str) -> str:
    """SQL: items with the key, time of delivery and deletion of their record."""
    return f"SELECT t.*, k.record_id, k._received_at, k.is_deleted FROM ({typed}) t JOIN wide k ON k._row = t._row"


def _write(database: duckdb.DuckDBPyConnection, wide: _WideTable, typed: str) -> None:
    """Write a wide table, and its misfits into `refused`."""
    outputs = [wide.head]
    for projection in wide.projections:
        derived = projection.derived()
        outputs.append(identifier(projection.place))
        outputs += [
            f"{derived.get(column, projection.cell(column))} AS {projection.cell(column)}"
            for column in {**projection.kinds, **derived}
        ]
    doubtful = [cell for cell in wide.cells if not cell.cast.always_fits]
    rows = f"SELECT {', '.join([*outputs, _misfits(doubtful)])} FROM ({typed})"
    summary = f", {wide.summary}" if wide.summary else ""
    database.execute(f"CREATE OR REPLACE TABLE {wide.name} AS SELECT *{summary} FROM ({rows}) s")
    if doubtful:
        database.execute(
            "INSERT INTO refused SELECT _row, 'conform', m.rule, m.column_name, m.raw_value FROM "
            f"(SELECT _row, unnest(_misfits) AS m FROM {wide.name} WHERE _misfits IS NOT NULL)"
        )


def _misfits(cells: Sequence[_Cell]) -> str:
    """SQL: the list of a row's misfits; null on nearly all rows."""
    if not cells:
        return "NULL AS _misfits"
    any_misfit = " OR ".join(cell.misfit for cell in cells)
    each = ", ".join(
        f"CASE WHEN {cell.misfit} THEN {{'rule': {cell.cast.rule}, 'column_name': {literal(cell.place)}, "
        f"'raw_value': {cell.raw}::VARCHAR}} END"
        for cell in cells
    )
    return f"CASE WHEN {any_misfit} THEN list_filter([{each}], lambda m: m IS NOT NULL) END AS _misfits"
