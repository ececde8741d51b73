"""What `cxflow init` writes: a first project, with invented answers or for an existing CSV file."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from cxflow.connect.files import text
from cxflow.errors import ConfigError

IGNORED = "warehouse.duckdb*\nlanding/\n.cxflow/\n"
"""The .gitignore: generated files, and files with personal data."""

_HEAD = """\
# A cxflow project. `cxflow lint` checks this file, `cxflow connectors files` explains its settings.

[project]
name = "{name}"
timezone = "UTC"       # in which days, weeks, … of KPIs begin: "Europe/Madrid", "America/Sao_Paulo"
currency = "EUR"       # of amounts without a currency
country = "US"         # of telephone numbers without a country code

"""

SAMPLE_TOML = (
    _HEAD
    + """\
[connections.surveys]
connector = "files"
timezone = "UTC"       # of times without a zone

[connections.surveys.streams.answers]
title = "Answers to one question: would you recommend us?"
path = "exports/*.csv"
primary_key = ["response_id"]
identifiers = {{ email = "email" }}   # identifies the customer: the same address elsewhere is the same person
pii = ["email", "comment"]          # personal: map them to columns that the views mask, or not at all

# What a record means. Left: the warehouse's column. Right: DuckDB SQL over the file's columns.
[connections.surveys.streams.answers.to.touchpoint]
activity = "'answered_survey'"
channel = "channel"
occurred_at = "answered_at"

[connections.surveys.streams.answers.to.survey_response]
response_id = "response_id"
question_id = "'recommend'"
metric_type = "'nps'"               # its scale, 0 to 10, is known
rating_value = "score"
response_text = "comment"
responded_at = "answered_at"
"""
)

SAMPLE_CSV = """\
response_id,email,channel,score,comment,answered_at
A001,ana@example.com,email,10,Arrived early,2026-01-12T09:15:00Z
A002,ben@example.com,email,9,,2026-01-13T17:40:00Z
A003,chloe@example.com,web,7,Fine but slow,2026-01-13T20:05:00Z
A004,dinesh@example.com,web,10,Helped me at once,2026-01-14T08:30:00Z
A005,eva@example.com,email,3,Nobody answered for a week,2026-01-15T11:00:00Z
A006,farid@example.com,phone,8,,2026-01-16T15:20:00Z
A007,greta@example.com,email,9,Would order again,2026-01-19T10:45:00Z
A008,hugo@example.com,web,6,The box was open,2026-01-20T18:10:00Z
A009,ines@example.com,email,10,,2026-01-21T07:55:00Z
A010,jonas@example.com,web,9,"Good price, good shoes",2026-01-22T13:25:00Z
A011,kaja@example.com,phone,2,Third call about one order,2026-01-23T16:35:00Z
A012,liam@example.com,email,8,,2026-01-26T09:05:00Z
A013,mara@example.com,email,10,Thank you!,2026-01-27T12:50:00Z
A014,nikos@example.com,web,9,,2026-01-28T19:30:00Z
A015,ana@example.com,email,9,Second order just as good,2026-02-02T09:20:00Z
A016,olga@example.com,web,11,A score that cannot be,2026-02-03T14:15:00Z
A017,pablo@example.com,web,7,,2026-02-04T10:10:00Z
A018,quinn@example.com,email,10,,2026-02-05T21:45:00Z
A019,rosa@example.com,phone,4,Too expensive to send back,2026-02-06T11:30:00Z
A020,sami@example.com,email,9,Simple,2026-02-09T08:40:00Z
"""
"""Invented answers. One score is outside its scale on purpose, to show the quarantine."""

_SPREADSHEETS = "cp1252"
"""The encoding of CSV files from Western and American spreadsheets that do not write UTF-8."""

_SUGGESTIONS = (
    (r"(^|_)(response|answer|review|ticket|call|order|record)?_?id$|^key$", "primary_key"),
    (r"mail", "identifiers.email"),
    (r"phone|mobile|(^|_)tel", "identifiers.phone"),
    (r"comment|text|body|name|mail|phone|mobile|address", "pii"),
    (r"(^|_)(at|on|when)(_|$)|date|time|created|answered|responded", "occurred_at"),
    (r"score|rating|stars|(^|_)(nps|csat|ces)", "rating_value"),
    (r"channel|medium|(^|_)via", "channel"),
)
"""Pattern of a column's name → what the column may be for."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a CSV file, and its format."""

    delimiter: str
    columns: tuple[str, ...]
    encoding: str | None = None
    """None if the file is UTF-8 or has a byte order mark."""


def header(path: Path) -> Header:
    """Read the header of a CSV file, plain or compressed. Raises ConfigError if it is unreadable or has no columns."""
    try:
        marked = text.marked_encoding(path)
        try:
            line, encoding = _first_line(path, marked or "utf-8-sig"), None
        except UnicodeDecodeError:
            line, encoding = _first_line(path, _SPREADSHEETS), _SPREADSHEETS
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", value=str(path)) from None
    except (OSError, EOFError, UnicodeError) as problem:
        raise ConfigError(f"{path} cannot be read as text: {problem}", value=str(path)) from None
    if not line.strip():
        raise ConfigError(
            f"{path} has no header", value=str(path), fix="its first line must name the columns"
        )
    delimiter = max(",;\t|", key=line.count)
    return Header(delimiter, tuple(next(csv.reader([line], delimiter=delimiter))), encoding)


def _first_line(path: Path, encoding: str) -> str:
    with text.open_text(path, encoding) as file:
        return file.readline()


def skeleton(name: str, stream: str, path: str, found: Header) -> str:
    """A `cxflow.toml` for a CSV file. Its format is configured; its meaning is only suggested, in comments."""
    delimiter = "\\t" if found.delimiter == "\t" else found.delimiter
    expressions = {column: _expression(column) for column in found.columns}
    width = max(map(len, expressions.values()))
    encoding = (
        f'encoding = "{found.encoding}"   # not UTF-8: check that accents are right\n'
        if found.encoding
        else ""
    )
    columns = "\n".join(
        f"#   {expressions[column]:{width}}{_remark(column)}".rstrip() for column in found.columns
    )

    def like(part: str, otherwise: str) -> str:
        return next((expressions[column] for column in found.columns if part in _parts(column)), otherwise)

    personal = ", ".join(_quoted(column) for column in found.columns if "pii" in _parts(column)) or '"COLUMN"'
    return (
        _HEAD.format(name=name)
        + f"""\
[connections.{name}]
connector = "files"
# timezone = "Europe/Madrid"   # of times without a zone

[connections.{name}.streams.{stream}]
path = {_quoted(path)}
delimiter = "{delimiter}"
{encoding}
# The columns of the file, as SQL names them, and what their names suggest. Nothing below is active until you
# remove its `#`: only you know what a record means.
#
{columns}

# What identifies a record:
# primary_key = [{_quoted(like("primary_key", "COLUMN"))}]

# What identifies the customer, and what is personal (raw column names):
# identifiers = {{ email = {_quoted(like("identifiers.email", "COLUMN"))} }}
# pii = [{personal}]

# Every record is a touchpoint: something happened between a customer and you, at some time.
# [connections.{name}.streams.{stream}.to.touchpoint]
# activity = "'answered_survey'"     # a SQL text; or 'wrote_review', 'placed_order', …
# channel = {_quoted(like("channel", "'web'"))}
# occurred_at = {_quoted(like("occurred_at", "COLUMN"))}

# An answer to a survey also gets a row in survey_response:
# [connections.{name}.streams.{stream}.to.survey_response]
# response_id = {_quoted(like("primary_key", "COLUMN"))}
# question_id = "'recommend'"
# metric_type = "'nps'"              # nps (0 to 10), csat (1 to 5), ces (1 to 7)
# rating_value = {_quoted(like("rating_value", "COLUMN"))}
# responded_at = {_quoted(like("occurred_at", "COLUMN"))}
"""
    )


def project_name(folder: Path) -> str:
    """A project name derived from the name of its folder."""
    return re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9_-]+", "-", folder.name.lower())).strip("-") or "project"


def _parts(column: str) -> list[str]:
    """What a column may be for, judging by its name."""
    words = re.sub(r"[^a-z0-9]+", "_", column.lower())
    return [part for pattern, part in _SUGGESTIONS if re.search(pattern, words)]


def _remark(column: str) -> str:
    found = _parts(column)
    return f"   {', '.join(found)}?" if found else ""


def _expression(column: str) -> str:
    """A raw column as a SQL identifier, quoted only if necessary."""
    from cxflow.conform.projection import is_word_of_sql
    from cxflow.duck import identifier

    bare = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and not is_word_of_sql(column)
    return column if bare else identifier(column)


def _quoted(text: str) -> str:
    """A TOML string."""
    if "'" not in text and ('"' in text or "\\" in text):
        return f"'{text}'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
