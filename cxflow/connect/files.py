"""The built-in connector `files`: exports and drop folders, declared in `cxflow.toml`, no Python needed."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from cxflow import scratch
from cxflow.connect import file_set, formats, text
from cxflow.connect.connector import Connector, Cursor, Sink
from cxflow.connect.hookspecs import hookimpl
from cxflow.errors import ConfigError, SourceError
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Connection, Secret

FileFormat = Literal["csv", "tsv", "jsonl", "json", "parquet", "xlsx", "fixed_width"]

_SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}


class FilesConnection(Connection):
    """Where the files are."""

    root: str = ""
    """Prepended to every stream's path: a folder, or an fsspec URL such as `s3://bucket/exports`."""
    storage_options: dict[str, Secret | str | int | bool] = Field(default_factory=dict, repr=False)
    """What fsspec needs to open a URL."""


class FileStream(Stream):
    """A stream of files, and how they are written."""

    path: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """Path, glob or fsspec URL, or several; `{date}` stands for the day of delivery (YYYY-MM-DD)."""
    format: FileFormat | None = None
    """Unset: from the file's name."""
    optional: bool = False
    """Whether there may be no file at all."""
    settle_seconds: float = Field(default=0, ge=0)
    """A file younger than this is left for the next run: it may still be being written."""
    encoding: str = "utf-8"
    """Python's name of the encoding. A byte order mark of UTF-16 or UTF-32 goes before the default."""
    delimiter: str = Field(default=",", min_length=1, max_length=4)
    """What stands between cells; of a TSV a tab, unless said otherwise."""
    quote: str = Field(default='"', max_length=1)
    """Empty: quotes mean nothing."""
    null_values: tuple[str, ...] = ("",)
    """Cells that stand for no value."""
    columns: tuple[str, ...] = ()
    """Column names of a file without a header line."""
    skip_rows: int = Field(default=0, ge=0)
    """Lines before the header (or the data)."""
    sheet: str | None = None
    """XLSX: the sheet's name; unset: the first."""
    records: str | None = None
    """JSON: dotted path to the list of records; unset: the document is the list."""
    fields: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """Fixed width: name to first and last character, from 1, both included."""

    @field_validator("path", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if list(columns) != formats.unique_names(columns):
            raise ValueError(
                "column names are trimmed, differ in more than their case and are none of "
                + ", ".join(formats.RESERVED)
            )
        return columns

    @field_validator("fields")
    @classmethod
    def _forward(cls, fields: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        for name, (first, last) in fields.items():
            if not 1 <= first <= last:
                raise ValueError(
                    f"{name} runs from {first} to {last}: characters count from 1, first before last"
                )
        return fields

    def model_post_init(self, _: Any) -> None:
        """A TSV's delimiter is a tab unless declared otherwise."""
        if (
            "delimiter" not in self.model_fields_set
            and self.file_format(self.paths[0], strict=False) == "tsv"
        ):
            object.__setattr__(self, "delimiter", "\t")

    @property
    def paths(self) -> tuple[str, ...]:
        """The declared paths, however many."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def file_format(self, path: str, *, strict: bool = True) -> FileFormat:
        """The declared format, or that of a file's name. Raises ConfigError where neither tells."""
        if self.format:
            return self.format
        suffixes = [suffix.lower() for suffix in Path(path).suffixes]
        suffixes = [suffix for suffix in suffixes if suffix not in (".gz", ".zst")]
        found = _SUFFIXES.get(suffixes[-1]) if suffixes else None
        if found is None and strict:
            raise ConfigError(
                f"the format of {path} is not plain from its name", value=path, fix='say format = "csv"'
            )
        return found or "csv"


class Files(Connector):
    """CSV, TSV, fixed width, JSONL, JSON, Parquet and XLSX files; local or behind any fsspec URL."""

    name: ClassVar[str] = "files"
    title: ClassVar[str] = "Exports and drop folders: CSV, JSON, Parquet, XLSX, fixed width; local or fsspec"
    connection_model: ClassVar[type[Connection]] = FilesConnection
    stream_model: ClassVar[type[Stream]] = FileStream

    def check(self, stream: Stream) -> None:
        """At least one file is there, unless the stream is optional."""
        stream = _file_stream(stream)
        files = self._files(stream)
        if not files.listing() and not stream.optional:
            raise SourceError(
                f"no file matches {', '.join(files.patterns)}",
                connection=self.connection.name,
                stream=stream.name,
                value=stream.paths[0],
                fix="mend the path, or say optional = true",
            )

    def plan(self, stream: Stream, window: Window, cursor: Cursor | None) -> list[str]:
        """One line per file that would be read."""
        stream = _file_stream(stream)
        chosen = file_set.changes(self._files(stream), self._settled(stream, window), cursor).files
        return [
            f"{file.path} ({file.size:,} bytes, delivered {file.delivered_at:%Y-%m-%d})" for file in chosen
        ]

    def read(self, stream: Stream, window: Window, cursor: Cursor | None, sink: Sink) -> Cursor:
        """Land every file that is new or changed (scheduled), or delivered in the window (backfill)."""
        stream = _file_stream(stream)
        files = self._files(stream)
        found = file_set.changes(files, self._settled(stream, window), cursor)
        with scratch.folder("files") as folder:
            by_format: dict[str, list[text.LocalFile]] = {}
            for number, file in enumerate(found.files):
                local = text.LocalFile(files.fetch(file, folder, number), file.path, file.delivered_at)
                by_format.setdefault(stream.file_format(file.path), []).append(local)
            for group in by_format.values():
                formats.land(stream, group, sink, folder)
        return found.cursor

    def _files(self, stream: FileStream) -> file_set.FileSet:
        connection = self.connection
        assert isinstance(connection, FilesConnection)
        options = {
            name: value.reveal(f"storage_options.{name}").get_secret_value()
            if isinstance(value, Secret)
            else value
            for name, value in connection.storage_options.items()
        }
        patterns = [_under(connection.root, path) for path in stream.paths]
        zone = stream.timezone or connection.timezone
        return file_set.FileSet(patterns, self.settings.folder, options, zone)

    def _settled(self, stream: FileStream, window: Window) -> Window:
        if not stream.settle_seconds:
            return window
        youngest = datetime.now(window.end.tzinfo) - timedelta(seconds=stream.settle_seconds)
        return Window(window.start, min(window.end, youngest))


def _under(root: str, path: str) -> str:
    """A stream's path seen from the connection's root; a URL and an absolute path are whole."""
    if not root or "://" in path or (path.startswith("/") and "://" not in root):
        return path
    return f"{root if root.endswith('/') else f'{root}/'}{path.lstrip('/')}"


def _file_stream(stream: Stream) -> FileStream:
    assert isinstance(stream, FileStream)
    return stream


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The connectors that come with cxflow."""
    return [Files]
