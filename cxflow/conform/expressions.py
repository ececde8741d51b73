"""The macros that mapping expressions may use, and the cast of an expression to its column's type.

No cast fails: what does not fit becomes null beside a `misfit`, and the batch makes a reject of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import types

from cxflow.duck import literal

MACROS = {
    "id_of": (
        "(system, id) AS {'system': system, 'id': id}",
        "an id that another connection issued: id_of('shop', order_ref)",
    ),
    "email": (
        r"(address) AS trim(regexp_replace(lower(address), '^\s*mailto:|[<>]', '', 'g'))",
        "an e-mail address as identity compares it: trimmed, lower case",
    ),
}
"""Name to definition and meaning. `docs/mapping.md` lists them from here."""

_OFFSET = r"[+-](?:0\d|1[0-5])(?::?[0-5]\d){0,2}"
"""An offset from UTC. None was ever further from it than Manila's 15:56 before 1845."""
_ZONED = rf"(:\d{{2}}(?:\.\d*)?)\s*(?:Z|UTC|GMT|({_OFFSET}))$"
"""How a time with a zone ends, in capitals."""
_NAIVE = r"[\dT\s:./-]+"
"""What a time without a zone is written with: no word (`infinity`, `CET`)."""
_SIGNED = "%:%-%"
"""An offset, right or wrong, of what is otherwise written without a zone."""

_PLAIN = ("____-__-__T__:__:__Z", "____-__-__T__:__:__.___Z", "____-__-__T__:__:__.______Z")
"""The shapes of most times with a zone."""
_PLAIN_OFFSET = rf"\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?{_OFFSET}"
"""The pattern of most others."""

_GROUPED = r"[^.]*|\s*[+-]?\d{1,3}(\.\d{3})+(,\d*)?\s*"
"""A number with a decimal comma: points only between groups of three digits, or none."""

_TYPES: tuple[tuple[type[Any], str], ...] = (
    (types.String, "VARCHAR"),
    (types.DateTime, "TIMESTAMPTZ"),
    (types.Double, "DOUBLE"),
    (types.Integer, "INTEGER"),
    (types.Numeric, "DECIMAL(18, 4)"),
    (types.Boolean, "BOOLEAN"),
    (types.Date, "DATE"),
)


_EPOCHS = {"epoch": 1, "epoch_ms": 1000}
"""Time formats that count from 1970, in UTC: units a second."""


@dataclass(frozen=True, slots=True)
class Cast:
    """How a raw value becomes a canonical one: SQL over the raw value's name."""

    value: str
    """The canonical value, null where the raw one does not fit."""
    rule: str
    """The name of the rule that a misfit breaks, as SQL."""
    present: str
    """Whether there is a raw value at all, as SQL."""
    always_fits: bool = False
    """Whether there is no value that could be a misfit: text stays text."""


def duckdb_type(kind: types.TypeEngine[Any]) -> str:
    """The DuckDB type of a canonical column."""
    for base, name in _TYPES:
        if isinstance(kind, base):
            return name
    raise TypeError(f"no DuckDB type for {kind!r}")


@dataclass(frozen=True, slots=True)
class Notation:
    """How a stream writes what it keeps as text."""

    zone: str | None
    """IANA name of the zone of times without one."""
    time_formats: tuple[str, ...] = ()
    """iso, epoch (seconds), epoch_ms or strptime formats, tried in order; empty: iso."""
    decimal: str = "."


def is_named(form: str) -> bool:
    """Whether a time format is called by a name, and not spelt in strptime's letters."""
    return form == "iso" or form in _EPOCHS


def cast(raw: str, source: str, target: str, notation: Notation) -> Cast:
    """The cast of the value named `raw`, of DuckDB type `source`, to DuckDB type `target`.

    Times without a zone are taken in the notation's; without that they break the rule `zone_missing`. A number
    that is not finite, or not whole where whole is asked, does not fit; nor does one with a point that groups
    nothing where the decimal mark is a comma (12.5 is not 125).
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
        fits = f"isfinite({double})"
        if target == "INTEGER":
            fits += f" AND {double} = floor({double})"
        return Cast(f"CASE WHEN {fits} THEN TRY_CAST({number} AS {target}) END", "'cast'", present)
    if target == "VARCHAR":
        return Cast(raw if text else f"CAST({raw} AS VARCHAR)", "'cast'", present, always_fits=True)
    return Cast(f"TRY_CAST({f'trim({raw})' if text else raw} AS {target})", "'cast'", present)


def cast_id(raw: str, source: str, system: str) -> Cast:
    """An id as `system:id`; one made by `id_of` names its system itself. An empty id is no id."""
    own = source.startswith("STRUCT(") and "system" in source
    prefix, identity = (f"{raw}.system || ':'", f"{raw}.id") if own else (literal(f"{system}:"), raw)
    text = f"nullif(trim({identity}::VARCHAR), '')"
    return Cast(f"{prefix} || {text}", "'cast'", f"{text} IS NOT NULL", always_fits=not own)


def _cast_time(raw: str, source: str, notation: Notation) -> tuple[str, str]:
    """Value and rule."""
    if source == "TIMESTAMP WITH TIME ZONE":
        return raw, "'cast'"
    if source == "DATE" or source.startswith("TIMESTAMP"):  # also in seconds, milliseconds or nanoseconds
        return _localised(f"CAST({raw} AS TIMESTAMP)", [], notation.zone)
    text = f"trim({raw}::VARCHAR)"
    plain: list[str] = []
    naive: list[str] = []
    zoned: list[str] = []
    for form in notation.time_formats or ("iso",):
        if form == "iso":
            if not (naive or zoned):
                # How nearly everybody writes them, told by their shape: a quarter of what the patterns below take.
                shapes = " OR ".join(f"{raw}::VARCHAR LIKE '{shape}'" for shape in _PLAIN)
                shapes += f" OR regexp_full_match({raw}::VARCHAR, {literal(_PLAIN_OFFSET)})"
                plain.append(f"CASE WHEN {shapes} THEN TRY_CAST({raw}::VARCHAR AS TIMESTAMPTZ) END")
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
    return _localised(f"coalesce({', '.join(naive)})" if naive else "", [*plain, *zoned], notation.zone)


def _with_offset(form: str) -> str:
    """A time format as a regular expression that looks at nothing but the offset: strptime takes +99:99 for one."""
    parts = re.split(r"(%-?[A-Za-z%]|\s+)", form)
    known = {"%z": _OFFSET, "%%": "%"}
    return "".join(
        known.get(part) or (r"\s+" if part.isspace() else ".+" if part.startswith("%") else re.escape(part))
        for part in parts
    )


def _localised(naive: str, zoned: list[str], zone: str | None) -> tuple[str, str]:
    """A time from the first of its forms that fits: those with a zone, then the one without, in `zone`."""
    if naive and zone:
        return f"coalesce({', '.join([*zoned, f'timezone({literal(zone)}, {naive})'])})", "'cast'"
    rule = f"CASE WHEN {naive} IS NULL THEN 'cast' ELSE 'zone_missing' END" if naive else "'cast'"
    return f"coalesce({', '.join([*zoned, 'CAST(NULL AS TIMESTAMPTZ)'])})", rule
