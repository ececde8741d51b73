"""Times as text in a cursor: whether all of a column's values sort by time. Called by `connector`.

A database compares texts letter by letter: `2026-01-01 13:00` sorts before `2026-01-01T10:00`, and
`2026-01-01T08:00-05:00` before `2026-01-01T10:00Z`, although both are later. A run would pass over such rows for good.
So before each reading the database lists the forms of all values (texts of one form differ in digits alone), and they
must agree in this:

- one separator between date and time, or days only
- UTC in any notation (`Z`, `+00:00`, `+0000`, `+00`), or no zone at all

Seconds and their fraction may be missing or of any length. Such texts sort by time to the minute at least, and those
without a zone exactly. The edges of windows are written in the shortest form (see `selection`), so no text sorts before
an edge unless it is earlier: at worst, a row of the last minute is left to the next window.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from cxflow.connect.sql.database import SourceDatabase
from cxflow.connect.sql.selection import COMPARABLE, cursor_column, relation
from cxflow.connect.sql.stream import SqlStream
from cxflow.errors import ConfigError

_BEGINS_LIKE_A_TIME = re.compile(r"9999-99-99([^9+-]99.*)?", re.DOTALL)
_UTC = ("+00:00", "-00:00", "+0000", "-0000", "+00", "-00")
"""How texts in UTC end, besides Z."""
_PARTS = ((6, "01", "12"), (9, "01", "31"), (12, "", "23"), (15, "", "59"), (18, "", "60"))
"""Month, day, hour, minute and second: the position of their two digits, and what they may be; the last three may be
missing. A day too many for its month sorts by time, and so does a leap second."""
_LONGEST = 64
"""Characters of a text that are compared: more than a time has."""
_SHOWN = frozenset("9-+:.,/ TZ")
"""Characters of a form that cannot be personal data."""
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class _Form:
    """Values that differ in digits alone."""

    shown: str
    """Their text without what may be personal: digits are 9, letters x."""
    is_time: bool
    """Whether they begin like a day or a time in ISO 8601."""
    separator: str = ""
    """Between date and time; empty for a day."""
    has_zone: bool = False
    """Whether they are in UTC, not without a zone."""
    fault: str = ""
    """Why they do not sort by time, as the predicate of a sentence."""


def representative(database: SourceDatabase, stream: SqlStream) -> str | None:
    """A time in the form of the cursor's values, which are texts; None if none of them is a time in ISO 8601.

    The database reads the whole column. Raises ConfigError if the values do not sort by time.
    """
    forms = sorted(map(_form, database.rows(_statement(stream, database))), key=lambda form: form.shown)
    times = [form for form in forms if form.is_time]
    if not times:
        return None
    kinds = {(form.is_time, form.separator, form.has_zone) for form in forms}
    if len(kinds) > 1 or any(form.fault for form in forms):
        raise _unsorted(database, stream, forms)
    if not times[0].separator:
        return "2000-01-01"
    return f"2000-01-01{times[0].separator}00:00:00{'+00:00' if times[0].has_zone else ''}"


def _unsorted(database: SourceDatabase, stream: SqlStream, forms: Sequence[_Form]) -> ConfigError:
    """The error for values that do not sort by time. It shows two forms at most, and no value."""
    column = stream.cursor[0]
    # One form of each kind, and a faulty one where there is one.
    kinds = {(form.is_time, form.separator, form.has_zone): form for form in forms if not form.fault}
    shown = sorted({form.shown for form in (*kinds.values(), *(form for form in forms if form.fault))})
    if len(shown) > 1:
        why = f"in several forms, which do not sort by time: {shown[0]!r} and {shown[1]!r}"
    else:
        why = f"that does not sort by time: {shown[0]!r} {next(form.fault for form in forms if form.fault)}"
    as_time = database.as_time(column, zoned=any(form.has_zone for form in forms))
    fix = (
        "convert it in a query, and make the result the cursor: "
        f"SELECT *, {as_time} AS changed_at FROM {stream.table or '…'}"
    )
    if stream.cursor_type is None and not all(form.is_time for form in forms):
        fix += '; or, if these are keys, set cursor_type = "key"'
    return ConfigError(f"the cursor {column!r} is text {why} (each digit shown as 9)", value=column, fix=fix)


def _statement(stream: SqlStream, database: SourceDatabase) -> sa.Select[Any]:
    """One row per form: the form, whether its values end like UTC, whether they can be times, and an example.

    What does not begin like a day has as many forms as values: it is one group.
    """
    text = sa.cast(cursor_column(stream), sa.String())
    masked = database.masked(sa.func.substr(text, 1, _LONGEST))
    begins_like_a_day = text.like("____-__-__%")
    parts = (sa.func.substr(text, position, 2).between(low, high) for position, low, high in _PARTS)
    is_possible = sa.and_(sa.func.substr(text, 1, 4) != "0000", *parts)
    values = (
        sa.select(
            sa.case((begins_like_a_day, masked), else_="").label("form"),
            sa.case((begins_like_a_day, ""), else_=masked).label("other"),
            sa.case((sa.or_(*(text.like(f"%{ending}") for ending in _UTC)), 1), else_=0).label("is_utc"),
            sa.case((is_possible, 1), else_=0).label("is_possible"),
        )
        .select_from(relation(stream))
        .where(cursor_column(stream).is_not(None))
        .subquery()
    )
    groups = (values.c.form, values.c.is_utc, values.c.is_possible)
    return sa.select(*groups, sa.func.min(values.c.other)).group_by(*groups)


def _form(row: Sequence[Any]) -> _Form:
    form, is_utc, is_possible, other = row
    shown = "".join(letter if letter in _SHOWN else "x" for letter in form or other)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[: _SHOWN_CHARACTERS - 1]}…"
    if not _BEGINS_LIKE_A_TIME.fullmatch(form):
        return _Form(shown, is_time=False)
    found = COMPARABLE.fullmatch(form)
    if not found:
        return _Form(shown, is_time=True, fault="is not in the extended form of ISO 8601")
    zone = found["zone"] or ""
    made = _Form(shown, is_time=True, separator=found["separator"] or "", has_zone=bool(zone))
    if zone[:1] in ("+", "-") and not is_utc:
        return replace(made, fault="has an offset from UTC")
    return made if is_possible else replace(made, fault="holds values that are no time")
