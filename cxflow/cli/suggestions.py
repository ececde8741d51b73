"""What the columns of a file may be for, as far as its first values bear it out. Called by `init`.

A name alone suggests nothing: a column called `id` that repeats is no key, one called `mail` without addresses no
identifier.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from cxflow.cli.first_records import Column, FirstRecords
from cxflow.conform import time_formats
from cxflow.errors import ConfigError

_KEY = re.compile(
    r"(^|_)(id|uuid|guid|key|no|num|number|numero|ref|reference|code)(_|$)|nr$|nummer$"
    r"|^(response|answer|review|ticket|case|call|order|record)$"
)
_OF_SOMEBODY = re.compile(r"customer|kunde|client|user|contact|person|account|agent|employee")
_OF_STAFF = re.compile(r"agent|staff|owner|assignee|operator|employee|sender|from|bearbeiter")
_PHONE = re.compile(r"phone|mobile|movil|handy|(^|_)tel|telefon|telefono|fon$|caller|rufnummer")
_PERSONAL = re.compile(
    r"comment|kommentar|comentario|(^|_)text$|(^|_)body$|message|nachricht|description|subject|feedback|verbatim"
    r"|address|adresse|direccion|street|strasse|(^|_)(first|last|full|sur|given|family|customer|contact|user)_?name$"
    r"|^name$|vorname|nachname|^kunde$|^customer$|^requester$"
)
_BIRTH = re.compile(r"birth|geburt|nacimiento")
_TIME = re.compile(
    r"created|placed|occurred|happened|started|answered|responded|submitted|received|date|datum|fecha|time|zeit"
    r"|(^|_)(at|on|when)$"
)
_OF_SOMETHING_ELSE = re.compile(r"updated|modified|changed|due|promised|planned|delivered|closed|ended")
_CHANNEL = re.compile(r"channel|medium|kanal|canal|(^|_)via(_|$)")
_RATING = re.compile(r"score|rating|stars|(^|_)(nps|csat|ces)(_|$)|bewertung|note$")

_VALUE = re.compile(
    r"[+-]?\d+([.,]\d+)?(_\d+)?|\d{4}-\d\d-\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*|[^@\s]+@[^@\s]+\.[^@\s.]+"
)
"""A name that is a number, a time or an address."""

_MOST_CHANNELS = 20
_LONGEST_KEY = 64
"""Characters of a value that may identify a record, if its column's name does not say that it does."""
_FEWEST = 10
"""Fewer records may be unique by chance in a column whose name does not say that it is a key."""
_COMBINED = 8
"""Of how many columns pairs are tried as a key."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What a mapping may say of the columns."""

    key: tuple[Column, ...]
    """Columns whose values together are unique and never empty; empty if there are none."""
    occurred_at: Column | None
    """A time that every record has."""
    unclear: tuple[Column, ...]
    """Times that several formats read, and not as the same."""
    time_formats: tuple[str, ...]
    """The formats of the times that are clear; empty if ISO 8601 is enough."""
    timed: tuple[Column, ...]
    """The columns with these formats."""
    unzoned: tuple[Column, ...]
    """Times without a zone."""
    decimals: tuple[Column, ...]
    """Numbers with a decimal comma, if none has a decimal point."""
    identifiers: dict[str, Column]
    personal: tuple[Column, ...]
    channel: Column | None
    rating: Column | None
    is_headless: bool
    """Whether the names look like values: the file has no header."""


def suggest(found: FirstRecords) -> Suggestions:
    """Suggestions for the columns of a file."""
    columns, records = found.columns, found.records
    emails = [column for column in columns if column.kind == "e-mail"]
    phones = [column for column in columns if _is(column, _PHONE) and column.is_phone]
    named = [column for column in columns if _is(column, _PERSONAL) and column.letters]
    births = [column for column in columns if _is(column, _BIRTH) and column.values]
    personal = [column for column in columns if column in (*emails, *phones, *named, *births)]
    others = [column for column in columns if column not in personal]
    times = [column for column in columns if column.kind == "time" and column not in phones]
    unclear = [column for column in times if _contradict(column.formats)]
    clear = [column for column in times if column not in unclear]
    complete = [
        column
        for column in clear
        if column.values == records and column not in personal and not _is(column, _OF_SOMETHING_ELSE)
    ]
    occurred_at = min(complete, key=lambda column: not _is(column, _TIME), default=None)
    timed = _compatible([*filter(None, [occurred_at]), *(each for each in clear if each is not occurred_at)])
    formats = tuple(dict.fromkeys(column.formats[0] for column in timed))
    commas = [column for column in columns if column.writes_comma]
    points = any(column.has_decimals and not column.writes_comma for column in columns)
    by_namespace = {"email": emails, "phone": phones}
    return Suggestions(
        key=_key(found, others),
        occurred_at=occurred_at,
        unclear=tuple(unclear),
        time_formats=() if formats == ("iso",) else formats,
        timed=tuple(timed),
        unzoned=tuple(column for column in times if not column.is_zoned),
        decimals=() if points else tuple(commas),
        identifiers={
            namespace: customers[0]
            for namespace, many in by_namespace.items()
            if (customers := [each for each in many if not _is(each, _OF_STAFF)])
        },
        personal=tuple(personal),
        channel=_first(
            column
            for column in others
            if _is(column, _CHANNEL)
            and column.kind == "text"
            and column.values == records
            and column.distinct <= _MOST_CHANNELS
        ),
        rating=_first(column for column in others if _is(column, _RATING) and column.kind == "number"),
        is_headless=any(_VALUE.fullmatch(column.name) for column in columns),
    )


def _key(found: FirstRecords, columns: list[Column]) -> tuple[Column, ...]:
    """The column, or the two, that identify a record; of several, one that does not name somebody, then the first."""
    records = found.records
    complete = [
        column
        for column in columns
        if column.values == records > 0 and column.kind in ("number", "text") and not column.has_decimals
    ]
    named = [column for column in complete if _is(column, _KEY)]
    unique = [column for column in named if column.distinct == records]
    if unique:
        return (min(unique, key=lambda column: _is(column, _OF_SOMEBODY)),)
    first = complete[0] if complete and complete[0] is found.columns[0] else None
    if first and first.distinct == records >= _FEWEST and not first.blanks and first.longest <= _LONGEST_KEY:
        return (first,)
    pairs = combinations(named[:_COMBINED], 2)
    return next((pair for pair in pairs if found.is_unique([column.name for column in pair])), ())


def _contradict(forms: tuple[str, ...]) -> bool:
    """Whether formats that all read the same texts may read them as different times."""
    try:
        time_formats.check(forms)
    except ConfigError:
        return True
    return False


def _compatible(columns: list[Column]) -> list[Column]:
    """The columns whose formats may stand in one list, the first ones first."""
    kept: list[Column] = []
    for column in columns:
        forms = tuple(dict.fromkeys([*(each.formats[0] for each in kept), column.formats[0]]))
        if not _contradict(forms):
            kept.append(column)
    return kept


def _first(columns: Iterable[Column]) -> Column | None:
    return next(iter(columns), None)


def _is(column: Column, pattern: re.Pattern[str]) -> bool:
    """Whether a column's name, in lower case and with its words apart, fits a pattern."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.name)
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower().replace("ß", "ss")
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return pattern.search(re.sub(r"_\d+$", "", plain)) is not None
