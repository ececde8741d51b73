"""Reads the first records of a file with the connector itself, and finds what each column holds. Called by `init`.

The records are landed in a scratch folder, as in a dry run: names and values are those that a run would see.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cxflow import extract, scratch
from cxflow.conform.expressions import Notation, cast
from cxflow.conform.projection import is_word_of_sql
from cxflow.connect import registry
from cxflow.connect.extraction import Extraction
from cxflow.duck import count, identifier, literal, workbench
from cxflow.errors import ConfigError
from cxflow.landing import derived, zone
from cxflow.model import raw_schema
from cxflow.model.usual_times import FORMATS
from cxflow.model.window import Window
from cxflow.settings import Settings

if TYPE_CHECKING:
    import duckdb

RECORDS = 1_000
"""How many records bear out a suggestion."""

_FORMATS = ("iso", *FORMATS)
"""The time formats that are tried. A text such as 1767225600 is not taken for a time: it may be any number."""
_PLAUSIBLE = "BETWEEN TIMESTAMPTZ '1990-01-01 00:00:00Z' AND TIMESTAMPTZ '2100-01-01 00:00:00Z'"
_MOST = 0.9
"""The share of values that must look like an address or a number, for their column to count as such: people mistype."""

_EMAIL = r"[^@\s,;]+@[^@\s,;]+\.[^@\s.,;]+"
_PHONE = r"(\+|00)?[\d\s()./-]{6,20}"
_WHOLE = r"[+-]?\d+"
_POINT = r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?"
_COMMA = r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?"

_LONGEST_TIME = 40
"""Characters of a time, with everything that may stand around it."""
_LATEST = datetime(9998, 1, 1, tzinfo=UTC)
"""The end of a window that a file of any time is in."""

Kind = Literal["empty", "time", "e-mail", "number", "text"]


@dataclass(frozen=True, slots=True)
class Column:
    """A raw column, and what its first values have in common."""

    name: str
    expression: str
    """The column in SQL, quoted only if necessary."""
    values: int = 0
    """Records that have a value."""
    distinct: int = 0
    emails: int = 0
    phones: int = 0
    whole: int = 0
    """Whole numbers."""
    points: int = 0
    """Numbers with a decimal point, or whole ones."""
    commas: int = 0
    """Numbers with a decimal comma, or whole ones."""
    letters: int = 0
    """Values with a letter."""
    blanks: int = 0
    """Values with a blank."""
    longest: int = 0
    """Characters."""
    formats: tuple[str, ...] = ()
    """The time formats that read all values."""
    is_zoned: bool = False
    """Whether all times have a zone."""

    @property
    def kind(self) -> Kind:
        """What it holds."""
        if not self.values:
            return "empty"
        if self.formats:
            return "time"
        if self.emails >= _MOST * self.values:
            return "e-mail"
        if self.values in (self.points, self.commas):
            return "number"
        return "text"

    @property
    def is_phone(self) -> bool:
        """Whether it may hold telephone numbers."""
        return self.values > 0 and self.phones >= _MOST * self.values

    @property
    def has_decimals(self) -> bool:
        """Whether it holds numbers that are not whole."""
        return self.kind == "number" and self.whole < self.values

    @property
    def writes_comma(self) -> bool:
        """Whether its numbers have a decimal comma for certain: a point in them would mean something else."""
        return self.has_decimals and self.commas == self.values and self.points < self.values


class FirstRecords:
    """The first records of a file, as text, in a database."""

    def __init__(
        self, database: duckdb.DuckDBPyConnection, names: Mapping[tuple[str, ...], str], malformed: int
    ) -> None:
        """`names`: path of each raw column (several names if nested) to its column in the table `record`."""
        self._database = database
        self._names = {".".join(path): column for path, column in names.items()}
        self.records = count(database, "record")
        self.malformed = malformed
        """Lines that could not be read as records."""
        self.columns = tuple(self._column(path, column) for path, column in names.items())

    def is_unique(self, names: Sequence[str]) -> bool:
        """Whether no two records have the same values in these columns."""
        columns = ", ".join(self._names[name] for name in names)
        return count(self._database, f"(SELECT DISTINCT {columns} FROM record)") == self.records > 0

    def _column(self, path: tuple[str, ...], column: str) -> Column:
        def like(pattern: str) -> str:
            return f"count(*) FILTER (regexp_full_match(v, {literal(pattern)}))"

        row = self._database.execute(
            f"SELECT count(v), count(DISTINCT v), {like(_EMAIL)}, {like(_PHONE)}, {like(_WHOLE)}, {like(_POINT)}, "
            f"{like(_COMMA)}, count(*) FILTER (v SIMILAR TO '.*[[:alpha:]].*'), count(*) FILTER (contains(v, ' ')), "
            f"coalesce(max(length(v)), 0) FROM (SELECT {column} AS v FROM record)"
        ).fetchone()
        assert row is not None
        found = Column(".".join(path), ".".join(map(quoted_if_necessary, path)), *row)
        return replace(found, **self._times(column, found))

    def _times(self, column: str, found: Column) -> dict[str, Any]:
        """The time formats that read all values of a column, and whether all have a zone."""
        if not found.values or found.longest > _LONGEST_TIME:
            return {}
        casts = [
            f"count(*) FILTER (({cast('v', 'VARCHAR', 'TIMESTAMPTZ', Notation(zone, (form,))).value}) {_PLAUSIBLE})"
            for form in _FORMATS
            for zone in ("UTC", None)
        ]
        row = self._database.execute(
            f"SELECT {', '.join(casts)} FROM (SELECT {column} AS v FROM record)"
        ).fetchone()
        assert row is not None
        fit = {
            form: row[2 * at : 2 * at + 2] for at, form in enumerate(_FORMATS) if row[2 * at] == found.values
        }
        if "iso" in fit:  # whatever else reads it, this is what it says
            fit = {"iso": fit["iso"]}
        return {
            "formats": tuple(fit),
            "is_zoned": bool(fit) and all(zoned == found.values for _, zoned in fit.values()),
        }


@contextmanager
def read(path: Path, written: Mapping[str, Any]) -> Iterator[FirstRecords]:
    """The first records of a file for the block. `written`: how it is written, as settings of its stream.

    Raises SourceError or ConfigError for a file that a run could not read.
    """
    with scratch.folder("init") as folder, workbench() as database:
        stream = {"path": glob.escape(str(path)), "primary_key": ["_"], "to": {"touchpoint": {}}, **written}
        settings = Settings.model_validate(
            {
                "landing": {"url": str(folder / "landing")},
                "connections": {"own": {"connector": "files", "streams": {"records": stream}}},
            }
        )
        connector = registry.open_connection(settings, "own")
        declared = connector.stream("records")
        asked = Extraction(connector, declared, Window(None, _LATEST), None, "backfill")
        batch = extract.extract(settings, asked, RECORDS)
        manifest = zone.read_manifest(settings, batch)
        raw: raw_schema.RawSchema = dict.fromkeys(connector.columns(declared) or (), "VARCHAR")
        names = {path: f"c{at}" for at, path in enumerate(_leaves({**raw, **manifest.raw_columns}))}
        if not names:
            raise ConfigError(
                f"{path} has no header" if manifest.layout == "columns" else f"{path} has no records",
                value=str(path),
                fix="its first line must name the columns" if manifest.layout == "columns" else None,
            )
        with zone.local_copy(settings, batch.path) as landed:
            _create_table(database, landed, manifest, names)
        yield FirstRecords(database, names, manifest.malformed)


def _create_table(
    database: duckdb.DuckDBPyConnection,
    landed: Path,
    manifest: zone.Manifest,
    names: Mapping[tuple[str, ...], str],
) -> None:
    """Create the table `record`: each raw column as trimmed text, null if it is blank."""
    if manifest.records == manifest.malformed:
        database.execute(f"CREATE TABLE record ({', '.join(f'{each} VARCHAR' for each in names.values())})")
        return
    whole = ""
    source = f"(SELECT * FROM {derived.records_in(landed, manifest)} LIMIT {RECORDS})"
    if manifest.layout == "json":
        structure = literal(raw_schema.as_structure(manifest.raw_columns))
        source, whole = f"(SELECT from_json(_payload, {structure}) AS r FROM {source})", "r."
    columns = ", ".join(
        f"nullif(trim({whole}{'.'.join(map(identifier, path))}::VARCHAR), '') AS {column}"
        for path, column in names.items()
    )
    database.execute(f"CREATE TABLE record AS SELECT {columns} FROM {source}")


def _leaves(schema: raw_schema.RawSchema, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the columns that hold plain values."""
    for name, value in schema.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        elif not isinstance(value, list):
            yield (*above, name)


def quoted_if_necessary(name: str) -> str:
    """A name as a SQL identifier."""
    bare = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and not is_word_of_sql(name)
    return name if bare else identifier(name)
