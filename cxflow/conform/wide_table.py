"""Sheets: everything that a mapping makes of the raw records, cast to its types, in one pass over them.

The table `sheet` has a line per record: its key, version and deletion, the values of its identifiers, and a cell for
each column of each part. A part that unnests a list has a sheet of its own, with a line per item. What does not fit
is in `_misfits`. Canonical tables are views of the sheets (`parts`): nothing is written twice. Called by `batch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from cxflow.conform.bound_projection import Part
from cxflow.conform.expressions import Cast, Notation, cast
from cxflow.conform.guard import DATA_ERRORS, Evaluation, evaluate
from cxflow.duck import identifier, literal


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cast value on its way into a sheet."""

    name: str
    """Of the cast value, as SQL."""
    raw: str
    """Of the expression's own value, as SQL."""
    place: str
    """How a reject names it."""
    cast: Cast

    @property
    def misfit(self) -> str:
        """Whether there is a raw value and it does not fit, as SQL over both values."""
        return f"({self.cast.present} AND {self.name} IS NULL)"


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A sheet to write."""

    name: str
    head: str
    """Its first columns, as SQL over the evaluated and cast values."""
    parts: Sequence[Part]
    cells: Sequence[_Cell]
    summary: str = ""
    """Its last columns, as SQL over the others."""


@dataclass(frozen=True, slots=True)
class RecordPart:
    """What speaks of a record as a whole: key, version, deletion, identifiers."""

    evaluation: Evaluation
    kinds: Mapping[str, str]
    """Expression to its DuckDB type."""
    keys: int
    """The number of expressions that make the key."""
    notation: Notation

    @property
    def identifiers(self) -> list[str]:
        """The columns with the raw values of identifiers."""
        return [name for name in self.kinds if name.startswith("identifiers.")]

    def cells(self) -> list[_Cell]:
        """Version and deletion, as far as they are declared."""
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
        """The record's key, as SQL; null where a part of it is empty."""
        keys = [f"nullif(trim(primary_key_{number}::VARCHAR), '')" for number in range(1, self.keys + 1)]
        if len(keys) > 1:
            keys = [rf"replace(replace({key}, '\', '\\'), '|', '\|')" for key in keys]
        return " || chr(124) || ".join(keys)

    @property
    def outputs(self) -> str:
        """Its columns of the sheet, as SQL over key and cells."""
        is_deleted = 'coalesce("deleted.value", false)' if "deleted" in self.kinds else "false"
        version_at = '"version.value"' if "version" in self.kinds else "NULL::TIMESTAMPTZ"
        if "version" in self.kinds and "deleted" in self.kinds:
            # A tombstone often has nothing but its key: it is as new as its delivery.
            version_at = f"coalesce({version_at}, CASE WHEN {is_deleted} THEN _received_at END)"
        values = [f"{identifier(name)}::VARCHAR AS {identifier(name)}" for name in self.identifiers]
        return ", ".join(["record_id", f"{version_at} AS version_at", f"{is_deleted} AS is_deleted", *values])


def make(
    database: duckdb.DuckDBPyConnection, record: RecordPart, parts: Sequence[Part], summary: str
) -> None:
    """Make the sheets, and refuse the records with a value that does not fit. `summary` are further columns of the
    records' sheet, over its others.

    The plain query is tried first. Where an expression fails on some record, each is evaluated on its own and
    caught (`guard`).
    """
    flat = [part for part in parts if part.sheet == "sheet"]
    cells = [*record.cells(), *(cell for part in flat for cell in _cells(part))]
    key = f", {record.key} AS record_id"
    sheet = _Sheet("sheet", f"_row, _received_at, _item, {record.outputs}", flat, cells, summary)
    try:
        _write(database, sheet, _typed(_evaluated(record, flat), cells, key))
    except DATA_ERRORS:
        _write(database, sheet, _typed(_caught(database, record, flat), cells, key))
    for part in parts:
        if part.sheet == "sheet":
            continue
        cells = _cells(part)
        sheet = _Sheet(part.sheet, "_row, _received_at, _item, record_id, is_deleted", [part], cells)
        try:
            _write(database, sheet, _of_record(_typed(_items(part), cells)))
        except DATA_ERRORS:
            evaluate(database, part.evaluation, f"evaluated_{part.place}")
            names = _renamed(part, "e")
            caught = f"SELECT e._row, e._item, true AS {identifier(part.place)}{names} FROM evaluated_{part.place} e"
            _write(database, sheet, _of_record(_typed(caught, cells)))


def _cells(part: Part) -> list[_Cell]:
    return [
        _Cell(part.cell(name), part.raw(name), f"{part.table.name}.{name}", made)
        for name, made in part.casts().items()
    ]


def _evaluated(record: RecordPart, parts: Sequence[Part]) -> str:
    """The expressions' own values, of all parts without a list, from one reading of the raw records."""
    outputs = [f"({sql}) AS {identifier(name)}" for name, sql in record.evaluation.expressions.items()]
    for part in parts:
        where = part.evaluation.where
        outputs.append(
            f"{f'coalesce(({where})::BOOLEAN, false)' if where else 'true'} AS {identifier(part.place)}"
        )
        for name, sql in part.evaluation.expressions.items():
            # What the condition leaves out is not evaluated, and so cannot fail.
            value = f"CASE WHEN ({where}) THEN ({sql}) END" if where else f"({sql})"
            outputs.append(f"{value} AS {part.raw(name)}")
    return f"SELECT _row, 0 AS _item, {', '.join(outputs)} FROM raw"


def _caught(database: duckdb.DuckDBPyConnection, record: RecordPart, parts: Sequence[Part]) -> str:
    """The same values where one of the expressions fails on some record: null there, and refused."""
    evaluate(database, record.evaluation, "evaluated_record")
    selects, joins = "SELECT e.*", " FROM evaluated_record e"
    for part in parts:
        place = f"evaluated_{part.place}"
        evaluate(database, part.evaluation, place)
        selects += f", {place}._row IS NOT NULL AS {identifier(part.place)}{_renamed(part, place)}"
        joins += f" LEFT JOIN {place} ON {place}._row = e._row"
    return selects + joins


def _renamed(part: Part, table: str) -> str:
    return "".join(f", {table}.{identifier(name)} AS {part.raw(name)}" for name in part.kinds)


def _items(part: Part) -> str:
    """The expressions' own values of a part that unnests a list."""
    evaluation = part.evaluation
    where = f" WHERE ({evaluation.where})" if evaluation.where else ""
    outputs = "".join(f", ({sql}) AS {part.raw(name)}" for name, sql in evaluation.expressions.items())
    return (
        f"SELECT _row, {evaluation.item} AS _item, true AS {identifier(part.place)}{outputs} "
        f"FROM {evaluation.source()}{where}"
    )


def _typed(evaluated: str, cells: Sequence[_Cell], also: str = "") -> str:
    values = "".join(f", {cell.cast.value} AS {cell.name}" for cell in cells)
    return f"SELECT *{also}{values} FROM ({evaluated})"


def _of_record(typed: str) -> str:
    """Items with the key, the delivery and the deletion of their record."""
    return f"SELECT t.*, k.record_id, k._received_at, k.is_deleted FROM ({typed}) t JOIN sheet k ON k._row = t._row"


def _write(database: duckdb.DuckDBPyConnection, sheet: _Sheet, typed: str) -> None:
    """Write a sheet, and `refused` from its misfits."""
    outputs = [sheet.head]
    for part in sheet.parts:
        derived = part.derived()
        outputs.append(identifier(part.place))
        outputs += [
            f"{derived.get(column, part.cell(column))} AS {part.cell(column)}"
            for column in {**part.kinds, **derived}
        ]
    doubtful = [cell for cell in sheet.cells if not cell.cast.always_fits]
    lines = f"SELECT {', '.join([*outputs, _misfits(doubtful)])} FROM ({typed})"
    summary = f", {sheet.summary}" if sheet.summary else ""
    database.execute(f"CREATE OR REPLACE TABLE {sheet.name} AS SELECT *{summary} FROM ({lines}) s")
    if doubtful:
        database.execute(
            "INSERT INTO refused SELECT _row, 'conform', m.rule, m.column_name, m.raw_value FROM "
            f"(SELECT _row, unnest(_misfits) AS m FROM {sheet.name} WHERE _misfits IS NOT NULL)"
        )


def _misfits(cells: Sequence[_Cell]) -> str:
    """What of a line does not fit, as a list; null on nearly all lines."""
    if not cells:
        return "NULL AS _misfits"
    met = " OR ".join(cell.misfit for cell in cells)
    each = ", ".join(
        f"CASE WHEN {cell.misfit} THEN {{'rule': {cell.cast.rule}, 'column_name': {literal(cell.place)}, "
        f"'raw_value': {cell.raw}::VARCHAR}} END"
        for cell in cells
    )
    return f"CASE WHEN {met} THEN list_filter([{each}], lambda m: m IS NOT NULL) END AS _misfits"
