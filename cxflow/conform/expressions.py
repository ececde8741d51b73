"""The macros for mapping expressions, and the cast of an expression to its column's type.

Casts never fail: a value that does not fit becomes null, and its record is rejected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import types

from cxflow.conform.plain_ids import plain
from cxflow.duck import literal

MACROS = {
    "id_of": (
        "(system, id) AS {'system': system, 'id': id}",
        "an id that another connection issued: id_of('shop', order_ref)",
    ),
    "email": (
        r"(address) AS trim(regexp_replace(lower(nfc_normalize(address)), '^\s*mailto:|[<>]', '', 'g'))",
        "an e-mail address as identity compares it: trimmed, lower case, in Unicode's composed form",
    ),
}
"""Name to definition and description. `docs/mapping.md` lists them from here."""

_OFFSET = r"[+-](?:0\d|1[0-5])(?::?[0-5]\d){0,2}"
"""An offset from UTC, at most 15:59: the largest ever was Manila's 15:56, before 1845."""
_ZONED = rf"(:\d{{2}}(?:\.\d*)?)\s*(?:Z|UTC|GMT|({_OFFSET}))$"
"""The end of a time with a zone, in upper case."""
_NAIVE = r"[\dT\s:./-]+"
"""The characters of a time without a zone: no words such as `infinity` or `CET`."""
_SIGNED = "%:%-%"
"""LIKE pattern for an offset, valid or not, in a text that otherwise has no zone."""

_PLAIN = ("____-__-__T__:__:__Z", "____-__-__T__:__:__.___Z", "____-__-__T__:__:__.______Z")
"""LIKE patterns that match most times with a zone."""
_PLAIN_OFFSET = rf"\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?{_OFFSET}"
"""The pattern for most of the rest."""

_GROUPED = r"[^.]*|\s*[+-]?\d{1,3}(\.\d{3})+(,\d*)?\s*"
"""A number with a decimal comma: points, if any, only between groups of three digits."""

_TYPES: tuple[tuple[type[Any], str], ...] = (
    (types.String, "VARCHAR"),
    (types.DateTime, "TIMESTAMPTZ"),
    (types.Double, "DOUBLE"),
    (types.Integer, "INTEGER"),
    (types.Numeric, "DECIMAL(18, 4)"),
    (types.Boolean, "BOOLEAN"),
    (types.Date, "DATE"),
)


_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "U", "FLOAT", "DOUBLE", "DECIMAL")
"""How the names of DuckDB's types of numbers begin, but for `UUID`, which no cast takes for a boolean."""

_EPOCHS = {"epoch": 1, "epoch_ms": 1000}
"""Time formats that count from 1970, in UTC, to their units per second."""


@dataclass(frozen=True, slots=True)
class Cast:
    """How a raw value becomes a canonical one, as SQL over the raw value's name."""

    value: str
    """The canonical value; null if the raw one does not fit."""
    rule: str
    """SQL: the name of the rule that a misfit breaks."""
    present: str
    """SQL: whether there is a raw value at all."""
    always_fits: bool = False
    """True if every raw value fits, as with text cast to text."""


def duckdb_type(kind: types.TypeEngine[Any]) -> str:
    """The DuckDB type of a canonical column."""
    for base, name in _TYPES:
        if isinstance(kind, base):
            return name
    raise TypeError(f"no DuckDB type for {kind!r}")


@dataclass(frozen=True, slots=True)
class Notation:
    """How a stream writes times and numbers as text."""

    zone: str | None
    """IANA time zone for times written without one; None: such times are rejected."""
    time_formats: tuple[str, ...] = ()
    """iso, epoch (seconds), epoch_ms or strptime formats, tried in order; empty: iso."""
    decimal: str = "."


def is_named(form: str) -> bool:
    """Whether a time format is one of the named ones (iso, epoch, epoch_ms), not a strptime format."""
    return form == "iso" or form in _EPOCHS


def cast(raw: str, source: str, target: str, notation: Notation) -> Cast:
    """The cast of the value named `raw`, of DuckDB type `source`, to DuckDB type `target`.

    Times without a zone use the notation's zone; without one they break the rule `zone_missing`. A number does not fit
    if it is not finite, if an integer is expected and it is not whole, or if the decimal mark is a comma and its points
    do not separate groups of three digits (12.5 is not 125). Money with more than four decimals breaks the rule
    `decimals`, unless only the binary form of a floating number has them (0.1 + 0.2).
    """
    present = f"{raw} IS NOT NULL"
    if target == "TIMESTAMPTZ":
        value, rule = _cast_time(raw, source, notation)
        return Cast(value, rule, present)
    text = source == "VARCHAR"
    if target in ("DOUBLE", "INTEGER", "DECIMAL(18, 4)"):
        number = f"trim({raw})" if text else raw
        if text and notation.decimal == ",":
            number = (
                f"CASE WHEN regexp_full_match({number}, {literal(_GROUPED)}) "
                f"THEN replace(replace({number}, '.', ''), ',', '.') END"
            )
        double = f"TRY_CAST({number} AS DOUBLE)"
        fits, rule = f"isfinite({double})", "'cast'"
        if text:
            fits += f" AND NOT contains({number}, '_')"  # DuckDB takes 1_000 for a number
        if target == "INTEGER":
            fits += f" AND {double} = floor({double})"
        if target == "DECIMAL(18, 4)":
            rule = f"CASE WHEN {fits} AND abs({double}) < 1e14 THEN 'decimals' ELSE 'cast' END"
            kept = f"abs(TRY_CAST({number} AS {target})::DOUBLE - {double})"
            fits += f" AND {kept} <= greatest(1e-9, abs({double}) * 1e-15)"
        return Cast(f"CASE WHEN {fits} THEN TRY_CAST({number} AS {target}) END", rule, present)
    if target == "VARCHAR":
        return Cast(raw if text else f"CAST({raw} AS VARCHAR)", "'cast'", present, always_fits=True)
    if target == "BOOLEAN" and source.startswith(_NUMBERS):
        return Cast(f"CASE {raw} WHEN 0 THEN false WHEN 1 THEN true END", "'cast'", present)
    return Cast(f"TRY_CAST({f'trim({raw})' if text else raw} AS {target})", "'cast'", present)


def compared(reason: str) -> str:
    """A reason as `model.reasons.known_as` spells it."""
    return f"replace(replace(lower(trim({reason})), ' ', '_'), '-', '_')"


def cast_id(raw: str, source: str, system: str) -> Cast:
    """The cast of an id to `system:id`. An id from `id_of` brings its own system; an empty id counts as absent, and a
    whole number is written without decimals."""
    own = source.startswith("STRUCT(") and "system" in source
    prefix = f"{raw}.system || ':'" if own else literal(f"{system}:")
    identity = plain(f"{raw}.id::VARCHAR", "VARCHAR") if own else plain(raw, source)
    text = f"nullif({identity}, '')"
    return Cast(f"{prefix} || {text}", "'cast'", f"{text} IS NOT NULL", always_fits=not own)


def _cast_time(raw: str, source: str, notation: Notation) -> tuple[str, str]:
    """The SQL for the value and for the rule a misfit breaks."""
    if source == "TIMESTAMP WITH TIME ZONE":
        return raw, "'cast'"
    if source == "DATE" or source.startswith("TIMESTAMP"):  # also in seconds, milliseconds or nanoseconds
        return _localised(f"CAST({raw} AS TIMESTAMP)", [], notation.zone)
    text = f"trim({raw}::VARCHAR)"
    plain: list[str] = []
    naive: list[str] = []
    zoned: list[str] = []
    forms = notation.time_formats or ("iso",)
    # Not beside a format that would read 2026-02-03T… as the second of March.
    typed = [] if "iso" in forms or any(form.startswith("%Y-%d") for form in forms) else _typed(text)
    for form in forms:
        if form == "iso":
            if not (naive or zoned):
                # The usual spellings first: matching them takes a quarter of the time of the patterns below.
                usual = " OR ".join(f"{raw}::VARCHAR LIKE '{pattern}'" for pattern in _PLAIN)
                usual += f" OR regexp_full_match({raw}::VARCHAR, {literal(_PLAIN_OFFSET)})"
                plain.append(f"CASE WHEN {usual} THEN TRY_CAST({raw}::VARCHAR AS TIMESTAMPTZ) END")
            capitals = f"upper({text})"
            has_zone = f"regexp_matches({capitals}, {literal(_ZONED)})"
            joined = rf"regexp_replace({capitals}, {literal(_ZONED)}, '\1\2')"  # no offset is UTC, DuckDB's zone here
            full = rf"regexp_replace({joined}, '([T ]\d{{1,2}}:\d{{2}})([+-])', '\1:00\2')"  # 10:00+01 is 10:00:00+01
            zoned.append(f"CASE WHEN {has_zone} THEN TRY_CAST({full} AS TIMESTAMPTZ) END")
            has_none = f"{text} NOT LIKE '{_SIGNED}' AND regexp_full_match({capitals}, {literal(_NAIVE)})"
            naive.append(f"CASE WHEN {has_none} THEN TRY_CAST({capitals} AS TIMESTAMP) END")
        elif form in _EPOCHS:
            zoned.append(f"TRY(to_timestamp(TRY_CAST({text} AS DOUBLE) / {_EPOCHS[form]}))")
        elif "%z" in form.lower():
            read = f"CAST(try_strptime({text}, {literal(form)}) AS TIMESTAMPTZ)"
            if "%z" in form:
                read = f"CASE WHEN regexp_full_match({text}, {literal(_with_offset(form))}) THEN {read} END"
            zoned.append(read)
        else:
            naive.append(f"try_strptime({text}, {literal(form)})")
    naive += typed[:1]
    zoned = [*plain, *zoned]
    value, rule = _localised(f"coalesce({', '.join(naive)})" if naive else "", zoned, notation.zone)
    # After the declared formats: one that reads such a text itself says what it means.
    return (f"coalesce({value}, {typed[1]})" if typed else value), rule


def _typed(text: str) -> list[str]:
    """SQL: a time in full ISO 8601, without and with a zone: a cell that is a time for its spreadsheet is one, whatever
    the formats of texts are."""
    whole = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?"
    return [
        f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN TRY_CAST({text} AS {kind}) END"
        for pattern, kind in ((whole, "TIMESTAMP"), (f"{whole}(?:Z|{_OFFSET})", "TIMESTAMPTZ"))
    ]


def _with_offset(form: str) -> str:
    """A time format as a regular expression that checks only the offset, because strptime accepts +99:99."""
    parts = re.split(r"(%-?[A-Za-z%]|\s+)", form)
    known = {"%z": _OFFSET, "%%": "%"}
    return "".join(
        known.get(part) or (r"\s+" if part.isspace() else ".+" if part.startswith("%") else re.escape(part))
        for part in parts
    )


def _localised(naive: str, zoned: list[str], zone: str | None) -> tuple[str, str]:
    """The first value that is not null: those with a zone, then the naive one read in `zone`; and the misfit's rule."""
    if naive and zone:
        return f"coalesce({', '.join([*zoned, f'timezone({literal(zone)}, {naive})'])})", "'cast'"
    rule = f"CASE WHEN {naive} IS NULL THEN 'cast' ELSE 'zone_missing' END" if naive else "'cast'"
    return f"coalesce({', '.join([*zoned, 'CAST(NULL AS TIMESTAMPTZ)'])})", rule
