"""`cxflow read`: shows a stream's first records and the canonical rows they become."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxflow.cli import completion
from cxflow.cli.call import Call, command
from cxflow.cli.output import plain, table
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxflow.dry_run import FirstRows

_WIDEST = 8
"""Columns of raw records that are shown as a table; wider and nested ones are shown as JSON, one a line."""

_HASHES = ("touchpoint_id",)
"""Columns that tell people nothing; `--json` has them."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Check")(read)


def read(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(
            metavar="CONNECTION.STREAM", help="The stream to read.", autocompletion=completion.streams
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Maximum number of records.")] = 20,
    since: Annotated[
        str | None,
        typer.Option(metavar="ISO", help="Begin here; default: the connection's start, or the beginning."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Show the raw records only.")] = False,
    only: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Show the rows of this table only.")
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal values.")] = False,
) -> None:
    """Show the first records of a stream, and the rows they become. Loads nothing, and moves no cursor."""
    from cxflow import sources
    from cxflow.cli import project

    if raw and only is not None:
        raise ConfigError("--raw and --table exclude each other", value=only, fix="leave out one of them")
    connection, stream = _stream(call, name)
    start = project.instant(call.settings, since, "--since") if since else None
    first = sources.read_first(
        call.settings, connection, stream, limit, start=start, conform=not raw, reveal=reveal
    )
    if only is not None and first.problem is None and only not in first.rows and first.raw:
        raise ConfigError(
            f"the stream fills no table {only!r}",
            connection=connection,
            stream=stream,
            value=only,
            fix=f"one of {', '.join(first.rows)}",
        )
    call.out.answer(_as_json(first, only), *_parts(first, only, raw=raw))
    _notes(call, first, reveal=reveal)
    if first.problem is not None:
        call.fail(first.problem.at(connection, stream))


def _stream(call: Call, name: str) -> tuple[str, str]:
    """The connection and stream of an argument; the stream may be left out where there is one alone."""
    from cxflow import sources
    from cxflow.cli import project

    ((connection, wanted),) = project.chosen(call.settings, (name,)).items()
    if wanted:
        return connection, sources.open_connection(call.settings, connection).stream(wanted[0]).name
    streams = list(sources.open_connection(call.settings, connection).streams)
    if len(streams) != 1:
        raise ConfigError(
            f"{connection} has {len(streams)} streams",
            connection=connection,
            value=name,
            fix=f"name one: {', '.join(f'{connection}.{each}' for each in streams)}",
        )
    return connection, streams[0]


def _as_json(first: FirstRows, only: str | None) -> dict[str, Any]:
    chosen = {name: rows for name, rows in first.rows.items() if only in (None, name)}
    return {
        "raw": [
            {"record": number, "values": _plain(record), "refused": first.refused.get(number, [])}
            for number, record in first.raw.items()
        ]
        if only is None
        else [],
        "malformed": [{"record": number, "reason": why} for number, why in first.malformed.items()],
        "tables": {name: _plain(rows) for name, rows in chosen.items()},
        "suggestions": first.suggestions,
    }


def _parts(first: FirstRows, only: str | None, *, raw: bool) -> Iterator[Any]:
    """The raw records, then a table of rows for each canonical table."""
    if not first.raw and not first.malformed:
        yield "the source has no records there"
        return
    if only is None:
        yield from _raw(list(first.raw), list(first.raw.values()))
    for name, rows in first.rows.items():
        if only not in (None, name):
            continue
        # Most columns of most streams are empty.
        columns = [
            column
            for column in (rows[0] if rows else ())
            if column not in _HASHES and any(_says_something(row[column]) for row in rows)
        ]
        if rows:
            yield table(name, _headed(columns), [[_cell(row[column]) for column in columns] for row in rows])
        elif not raw:
            yield f"{name}: no rows"


def _raw(numbers: Sequence[int], records: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    columns = list(dict.fromkeys(name for record in records for name in record))
    is_flat = not any(isinstance(value, dict | list) for record in records for value in record.values())
    if is_flat and 0 < len(columns) <= _WIDEST:
        rows = [
            [number, *(_cell(record.get(name)) for name in columns)]
            for number, record in zip(numbers, records, strict=True)
        ]
        yield table("raw records", ("#", *columns), rows)
        return
    from rich.text import Text

    yield Text("raw records", style="bold")
    for number, record in zip(numbers, records, strict=True):
        yield f"{number:>4}  {json.dumps(_plain(record), ensure_ascii=False)}"
    yield ""


def _notes(call: Call, first: FirstRows, *, reveal: bool) -> None:
    """What became of records that made no rows, and what is not shown."""
    for number, why in first.malformed.items():
        call.out.note(f"record {number} cannot be read: {why}")
    for number, reasons in first.refused.items():
        call.out.note(f"record {number} would be refused: {', '.join(reasons)}")
    for each in first.suggestions:
        call.out.note(f"  {each}")
    if first.raw and not reveal:
        call.out.remark("personal values are masked; --reveal shows them")


def _headed(columns: Sequence[str]) -> list[str]:
    return ["#" if column == "record" else column for column in columns]


def _says_something(value: Any) -> bool:
    return value is not None and value is not False


def _cell(value: Any) -> Any:
    """A value for a table's cell: numbers of the data as they are, for they may be ids."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict | list):
        return json.dumps(_plain(value), ensure_ascii=False)
    return value if value is None or isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    """A value of a record as JSON has it."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    try:
        return plain(value)
    except TypeError:
        return str(value)
