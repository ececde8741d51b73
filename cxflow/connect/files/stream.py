"""The settings of a files connection and of its streams. Read by every module of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cxflow.connect.column_names import RESERVED, unique_names
from cxflow.connect.files import aggregates as aggregates_of_lines
from cxflow.connect.files import reading_settings
from cxflow.errors import ConfigError
from cxflow.model.snapshots import SnapshotStream
from cxflow.settings import Connection, Secret

FileFormat = Literal["csv", "tsv", "jsonl", "json", "parquet", "xlsx", "fixed_width"]

SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
"""A file's last suffix, in lower case and without a compression's, to its format."""
COMPRESSIONS = (".gz", ".zst")


class FilesConnection(Connection):
    """Where the files are: a folder, or a URL with the options that open it."""

    root: str = ""
    """Prepended to every stream's path: a folder, or an fsspec URL such as `s3://bucket/exports`."""
    storage_options: dict[str, Secret | str | int | bool] = Field(default_factory=dict, repr=False)
    """Options that fsspec needs to open the URL."""


class FileStream(SnapshotStream):
    """A stream of files, and their format."""

    path: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """Path, glob or fsspec URL, or several; `{date}` stands for the day of delivery (YYYY-MM-DD)."""
    format: FileFormat | None = None
    """Unset: told by the file's name."""
    optional: bool = False
    """Whether there may be no file at all."""
    settle_seconds: float = Field(default=0, ge=0, le=10_000_000)
    """Files younger than this are left for the next run: they may still be being written."""
    encoding: str = "utf-8"
    """Python's name of the encoding. A byte order mark of UTF-16 or UTF-32 overrides the default."""
    delimiter: str = Field(default=",", min_length=1, max_length=4)
    """The text between cells; for TSV, a tab by default."""
    quote: str = Field(default='"', max_length=1)
    """An ASCII character. Empty: quotes have no meaning."""
    open_quote: Literal["refuse", "stop"] = "refuse"
    """What to do with a quote that is never closed, or closed in the middle of a cell: refuse its line and continue at
    the next one, or refuse the file."""
    null_values: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    """Cells that mean null."""
    columns: tuple[str, ...] = ()
    """Column names, for files without a header line."""
    skip_rows: int = Field(default=0, ge=0, le=1_000_000)
    """Rows before the header (or the data). A quoted line break does not end a row."""
    sheet: str | None = None
    """XLSX: the sheet's name; unset: the first."""
    merged_cells: Literal["refuse", "repeat"] = "refuse"
    """XLSX: what to do with merged cells below the header, of which all but the first are empty: refuse the file, or
    repeat the value in each."""
    records: str | None = None
    """JSON: dotted path to the list of records; unset: the document is the list."""
    fields: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """Fixed width: name to first and last character, from 1, inclusive."""
    group_by: tuple[str, ...] = ()
    """Columns whose values the lines of one record share: a basket's number, a call's. Unset: each line is a record."""
    aggregates: dict[str, str] = Field(default_factory=dict)
    """Column of such a record to an aggregate over its lines, in DuckDB SQL: `sum(price::decimal(18, 4))`. It may use
    `_file` and `_file_row`, the place of a line."""
    group_within: Literal["stream", "file"] = "stream"
    """Where the lines of one record may lie: anywhere in the stream's files, which are then all read again when one is
    new; or in one file each."""
    max_record_bytes: int = Field(default=64 << 20, ge=1 << 10)
    """A file with a longer line or record is refused."""
    max_columns: int = Field(default=5_000, ge=1)
    """A file with more columns is refused."""
    max_expanded_bytes: int = Field(default=64 << 30, ge=1 << 10)
    """A compressed file that unpacks to more is refused."""
    max_workbook_bytes: int = Field(default=512 << 20, ge=1 << 10)
    """An XLSX file that unpacks to more is refused: some of its content is held in memory."""

    @field_validator("path", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("encoding")
    @classmethod
    def _text_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except (LookupError, ValueError):
            raise ValueError(f"unknown encoding {encoding!r}") from None
        return encoding

    @field_validator("quote")
    @classmethod
    def _ascii(cls, quote: str) -> str:
        if quote and (not quote.isascii() or quote in "\r\n"):
            raise ValueError("a quote is one ASCII character")
        return quote

    @field_validator("delimiter")
    @classmethod
    def _within_a_line(cls, delimiter: str) -> str:
        if "\r" in delimiter or "\n" in delimiter:
            raise ValueError("a delimiter cannot contain a line end")
        return delimiter

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if list(columns) != unique_names(columns):
            raise ValueError(
                "column names must be trimmed, differ in more than case and not be one of "
                + ", ".join(RESERVED)
            )
        return columns

    @field_validator("fields")
    @classmethod
    def _forward(cls, fields: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        for name, (first, last) in fields.items():
            if not 1 <= first <= last:
                raise ValueError(
                    f"{name} has the range {first} to {last}: characters count from 1, first before last"
                )
        return fields

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        if bool(self.group_by) != bool(self.aggregates):
            raise ValueError("group_by and aggregates go together")
        if self.aggregates:
            try:
                aggregates_of_lines.check(self.aggregates)
            except ConfigError as problem:
                raise ValueError(f"{problem.message}{f' ({problem.fix})' if problem.fix else ''}") from None
        return self

    @model_validator(mode="after")
    def _of_whole_files(self) -> Self:
        """Refuse snapshots of which a file cannot be one."""
        if not self.snapshot:
            return self
        if self.group_by:
            raise ValueError(
                "snapshot = true does not go with group_by, whose records may have lines in several files"
            )
        fixed = [path for path in self.paths if not any(mark in path for mark in "*?[{")]
        if len(fixed) > 1:
            raise ValueError(
                f"snapshot = true says that each file holds everything; {' and '.join(fixed)} cannot both be that: "
                "declare a stream for each, or set snapshot = false"
            )
        return self

    @model_validator(mode="after")
    def _of_its_formats(self) -> Self:
        """Refuse a setting that none of the stream's formats uses; a path may leave its format open."""
        formats = {self.format or told_by_name(path) for path in self.paths}
        if None in formats:
            return self
        named = ", ".join(sorted(str(each) for each in formats))
        faults = [
            f"{name} means nothing for the format {named}, only for {', '.join(users)}; remove it, or correct format"
            for name, users in reading_settings.unused(self.model_fields_set, map(str, formats)).items()
        ]
        if faults:
            raise ValueError("; ".join(sorted(faults)))
        return self

    def model_post_init(self, _: Any) -> None:
        """A TSV's delimiter is a tab unless declared otherwise."""
        if (
            "delimiter" not in self.model_fields_set
            and self.file_format(self.paths[0], strict=False) == "tsv"
        ):
            object.__setattr__(self, "delimiter", "\t")

    @property
    def remarks(self) -> list[str]:
        """What becomes of records that a later file lacks, and of an old file that comes again."""
        said = []
        if not (self.snapshot or self.deleted or self.group_by):
            said.append(
                "a record that later files lack stays, unless snapshot = true says that each holds everything"
            )
        if not self.version and not all("{date}" in path for path in self.paths):
            said.append(
                "an old file that is delivered again replaces newer rows, unless there is a version or a {date} path"
            )
        return said

    @property
    def has_places(self) -> bool:
        """Whether a record is one of a file, and not a group of its lines."""
        return not self.group_by

    @property
    def paths(self) -> tuple[str, ...]:
        """The declared paths, as a tuple."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def file_format(self, path: str, *, strict: bool = True) -> FileFormat:
        """The declared format, or else the one told by a file's name. Raises ConfigError if neither does."""
        if self.format:
            return self.format
        found = told_by_name(path)
        if found is None and strict:
            raise ConfigError(
                f"the name of {path} does not tell its format",
                value=path,
                fix='set format = "csv", or what it is',
            )
        return found or "csv"


def told_by_name(path: str) -> FileFormat | None:
    """The format that a file's name tells, or None."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    suffixes = [suffix for suffix in suffixes if suffix not in COMPRESSIONS]
    return SUFFIXES.get(suffixes[-1]) if suffixes else None
