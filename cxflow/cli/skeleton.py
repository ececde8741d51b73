"""The `cxflow.toml` that `cxflow init` writes for a person's own file.

What the file's first values bear out is set; what only a person can know is a comment that says what to put there.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cxflow.cli.first_records import Column, FirstRecords
from cxflow.cli.sample import HEAD
from cxflow.cli.suggestions import Suggestions
from cxflow.connect.files.stream import COMPRESSIONS, SUFFIXES
from cxflow.model.names import LONGEST_NAME_BYTES
from cxflow.visible import one_line

_REMARKS = {
    "format": "its name does not tell",
    "encoding": "not UTF-8: check that accents are right",
    "skip_rows": "rows above the header",
    "sheet": "one of several",
    "records": "the path to the list of records",
}


def stream_name(file: Path) -> str:
    """The name of a stream, from that of its file."""
    stem = file.name
    for suffix in reversed(file.suffixes):
        if suffix.lower() not in (*COMPRESSIONS, *SUFFIXES, ".txt"):
            break
        stem = stem.removesuffix(suffix)
    words = re.sub(r"[^\w-]+", "-", unicodedata.normalize("NFC", stem).lower()).strip("-_")
    return words.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore") or "records"


def document(
    project: str,
    stream: str,
    path: str,
    written: Mapping[str, Any],
    found: FirstRecords,
    suggested: Suggestions,
) -> str:
    """A `cxflow.toml` for a file. `written`: how the file is written, as settings of its stream."""
    table = f"connections.{_key(project)}.streams.{_key(stream)}"
    blocks = [
        HEAD.format(name=project).rstrip(),
        "\n".join(
            (f"[connections.{_key(project)}]", 'connector = "files"', *_aligned(_connection(suggested)))
        ),
        "\n".join(
            (
                f"[{table}]",
                *_aligned(_reading(path, written, suggested)),
                *_aligned(_meaning(found, suggested)),
            )
        ),
        "\n".join(
            (f"# The columns, as SQL names them, in the first {found.records:,} records:", *_columns(found))
        ),
        "\n".join(
            (
                "# Every record is a touchpoint: something that happened between a customer and you. Left: a column of",
                "# the warehouse. Right: SQL over the columns above; a text is quoted twice, for TOML and for SQL.",
                f"[{table}.to.touchpoint]",
                *_aligned(_touchpoint(suggested)),
            )
        ),
        *_further(table, suggested),
    ]
    return "\n\n".join(blocks) + "\n"


Line = tuple[str, str]
"""A setting, and the remark behind it."""


def _connection(suggested: Suggestions) -> list[Line]:
    columns = _listed(suggested.unzoned)
    why = (
        f"of the times in {columns}: without it, their records are refused"
        if columns
        else "of times without one"
    )
    return [('# timezone = "Europe/Madrid"', why)]


def _reading(path: str, written: Mapping[str, Any], suggested: Suggestions) -> list[Line]:
    """How the file is written."""
    lines = [("path = " + quoted(path), "")]
    lines += [(f"{name} = {_value(value)}", _REMARKS.get(name, "")) for name, value in written.items()]
    if suggested.is_headless:
        lines.append(('# columns = ["COLUMN", …]', "REQUIRED: the first line is no header; name the columns"))
    if suggested.decimals:
        lines.append(('decimal = ","', f"in {_listed(suggested.decimals)}"))
    if suggested.time_formats:
        forms = ", ".join(map(quoted, suggested.time_formats))
        lines.append((f"time_formats = [{forms}]", f"in {_listed(suggested.timed)}"))
    is_set = bool(suggested.time_formats)
    for tried in dict.fromkeys(column.formats for column in suggested.unclear):
        columns = _listed(column for column in suggested.unclear if column.formats == tried)
        choice = f"of {columns}: {' or '.join(map(quoted, tried))}? each reads all values"
        setting = (
            f"# time_formats: add {quoted(tried[0])}" if is_set else f"# time_formats = [{quoted(tried[0])}]"
        )
        lines.append((setting, choice))
        is_set = True  # a setting stands in a table once
    return lines


def _meaning(found: FirstRecords, suggested: Suggestions) -> list[Line]:
    """What identifies a record and a customer, and what is personal."""
    lines: list[Line] = []
    if suggested.key:
        keys = ", ".join(quoted(column.expression) for column in suggested.key)
        lines.append((f"primary_key = [{keys}]", f"unique in the first {found.records:,} records"))
    else:
        lines.append(
            (
                '# primary_key = ["COLUMN"]',
                "REQUIRED: the column (or columns) that no two records have the same values in",
            )
        )
    if suggested.identifiers:
        pairs = ", ".join(
            f"{name} = {quoted(column.expression)}" for name, column in suggested.identifiers.items()
        )
        lines.append(
            (f"identifiers = {{ {pairs} }}", "the customer's: the same one elsewhere is the same person")
        )
    else:
        lines.append(
            ('# identifiers = { email = "COLUMN" }', "what identifies the customer: email, phone, or an id")
        )
    if suggested.personal:
        names = ", ".join(quoted(column.name) for column in suggested.personal)
        lines.append((f"pii = [{names}]", "personal: shown nowhere; add what else is"))
    else:
        lines.append(('# pii = ["COLUMN"]', "the columns with personal data, free text included"))
    return lines


def _touchpoint(suggested: Suggestions) -> list[Line]:
    channel, occurred_at = suggested.channel, suggested.occurred_at
    unclear = suggested.unclear[0].expression if suggested.unclear else "COLUMN"
    return [
        (
            "# activity = \"'answered_survey'\"",
            "REQUIRED: what happened; or 'wrote_review', 'placed_order', …",
        ),
        (f"channel = {quoted(channel.expression)}", "")
        if channel
        else ("# channel = \"'web'\"", "REQUIRED: 'web', 'email', 'phone', …, or a column"),
        (f"occurred_at = {quoted(occurred_at.expression)}", "")
        if occurred_at
        else (
            f"# occurred_at = {quoted(unclear)}",
            "REQUIRED: when it happened; set time_formats to how it is written",
        ),
    ]


def _further(table: str, suggested: Suggestions) -> list[str]:
    """A table that most files with ratings need, to uncomment."""
    if suggested.rating is None:
        return [
            "# A record may also fill other tables, such as order_header, support_case or review: see docs/mapping.md."
        ]
    key = suggested.key[0].expression if suggested.key else "COLUMN"
    at = suggested.occurred_at.expression if suggested.occurred_at else "COLUMN"
    lines = [
        ("# response_id = " + quoted(key), ""),
        ("# question_id = \"'recommend'\"", "which question"),
        ("# metric_type = \"'nps'\"", "nps (0 to 10), csat (1 to 5) or ces (1 to 7)"),
        ("# rating_value = " + quoted(suggested.rating.expression), ""),
        ("# responded_at = " + quoted(at), ""),
    ]
    return [
        "\n".join(
            (
                "# An answer to a survey also has a row in survey_response; remove the first `#` of each line:",
                f"# [{table}.to.survey_response]",
                *_aligned(lines),
            )
        )
    ]


def _columns(found: FirstRecords) -> list[str]:
    lines = [
        (f"#   {one_line(column.expression)}", _described(column, found.records)) for column in found.columns
    ]
    return [line.replace("   # ", "   ") for line in _aligned(lines)]


def _described(column: Column, records: int) -> str:
    """What a column holds, without any of its values."""
    words = [
        {"time": "a time", "e-mail": "an e-mail address", "number": "a number"}.get(column.kind, column.kind)
    ]
    if column.kind != "empty":
        words += ["unique"] * (column.distinct == column.values > 1)
        words += [f"missing in {records - column.values:,}"] * (column.values < records)
    return ", ".join(words)


def _aligned(lines: list[Line]) -> list[str]:
    """Lines with their remarks below each other."""
    width = max((len(setting) for setting, remark in lines if remark and len(setting) < 60), default=0)
    return [f"{setting:{width}}   # {remark}" if remark else setting for setting, remark in lines]


def _listed(columns: Iterable[Column]) -> str:
    return ", ".join(one_line(column.name) for column in columns)


def _key(name: str) -> str:
    """A TOML key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _value(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def quoted(text: str) -> str:
    """A TOML string."""
    if "'" not in text and ('"' in text or "\\" in text) and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
