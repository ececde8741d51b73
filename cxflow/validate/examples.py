"""Examples of refused values for the message of a closed gate, and what would read them. Called by `gate`.

What the views mask, and what the stream calls personal or an identifier, is never shown; in any other value, letters
that no time and no number has are masked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb

from cxflow.duck import identifier, literal
from cxflow.model.expectation import Expectation
from cxflow.model.stream import Stream
from cxflow.model.usual_times import EPOCHS, FORMATS, ISO
from cxflow.validate import personal
from cxflow.warehouse import tables

MOST = 5
"""Examples per reason."""
_LONGEST = 60
"""Characters of an example."""
_JUDGED = 1_000
"""Values that must bear out a suggestion."""
_WORDS = re.compile(
    r"jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(t|tember)?|oct(ober)?|nov(ember)?"
    r"|dec(ember)?|mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?|am|pm|utc|gmt|t|z|e",
    re.IGNORECASE,
)
"""Words of times and numbers. `true`, `null` and the like are told by their shape."""
_TELEPHONE = re.compile(r"\+[\d\s()./-]{7,}")
_DECIMAL_COMMA = r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+"
_DECIMAL_POINT = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"


def of(
    database: duckdb.DuckDBPyConnection,
    stream: Stream,
    suites: Mapping[str, Sequence[Expectation]],
    *,
    reveal: bool = False,
) -> dict[str, list[str]]:
    """Reason ("rule of column") to some of the values that were refused for it, each once, the first ones first.
    `reveal`: personal ones, too, and as they are."""
    hidden = set() if reveal else _personal_places(stream)
    expectations = {(table, item.rule): item for table, suite in suites.items() for item in suite}
    rows = database.execute(
        "SELECT concat_ws(' of ', rule, column_name), rule, column_name, "
        f"list(raw_value ORDER BY raw_value IS NULL, first_row)[:{MOST}] FROM "
        "(SELECT rule, column_name, raw_value, min(_row) AS first_row FROM refused GROUP BY ALL) "
        "GROUP BY rule, column_name ORDER BY min(first_row), 1"
    ).fetchall()
    found: dict[str, list[str]] = {}
    for reason, rule, place, values in rows:
        table = str(place).partition(".")[0]
        if place in hidden:
            continue
        texts = [_shown(value, reveal) for value in values if value is not None]
        if not texts and (expectation := expectations.get((table, rule))):
            texts = _of_rows(database, expectation, place, hidden, reveal)
        if texts:
            found[reason] = texts
    return found


def _shown(value: object, reveal: bool) -> str:
    return "null" if value is None else str(value) if reveal else masked(str(value))


def _of_rows(
    database: duckdb.DuckDBPyConnection,
    expectation: Expectation,
    place: str,
    hidden: set[str],
    reveal: bool,
) -> list[str]:
    """What rows that break an expectation hold in the columns that it names."""
    table = tables.CANONICAL[expectation.table]
    words = set(re.findall(r"\w+", f"{expectation.sql} {expectation.with_.get('column', '')}"))
    named = [
        name
        for name, column in tables.mappable(table).items()
        if name in words and f"{table.name}.{name}" not in hidden and not column.info.get("qualified")
    ]
    if not named:
        return []
    columns = ", ".join(map(identifier, named))
    rows = database.execute(
        f"SELECT {columns} FROM (SELECT {columns}, min(_row) AS first_row FROM {table.name} "
        f"SEMI JOIN (SELECT _row FROM refused WHERE rule = {literal(expectation.rule)} "
        f"AND column_name = {literal(place)}) USING (_row) GROUP BY ALL) ORDER BY first_row LIMIT {MOST}"
    ).fetchall()
    return [
        ", ".join(f"{name} {_shown(value, reveal)}" for name, value in zip(named, row, strict=True))
        for row in rows
    ]


def _personal_places(stream: Stream) -> set[str]:
    """The columns, as `table.column`, whose values may be personal: masked ones, and those that a mapping makes of a
    column that is personal or names the customer."""
    tagged = personal.columns(stream)
    has_personal_key = any(personal.touches(key, tagged) for key in stream.primary_key)
    return personal.places(stream, tagged) | ({"primary_key"} if has_personal_key else set())


def masked(value: str) -> str:
    """A value as it may be shown: its digits, signs and the words of times; other letters as x, telephone numbers as
    nines."""
    text = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if "@" in text:
        return re.sub(r"\w", "x", text)
    if _TELEPHONE.fullmatch(text.strip()):
        return re.sub(r"\d", "9", text)
    return re.sub(
        r"[^\W\d_]+", lambda word: word[0] if _WORDS.fullmatch(word[0]) else "x" * len(word[0]), text
    )


def suggestions(database: duckdb.DuckDBPyConnection, stream: Stream) -> list[str]:
    """What would read the values that do not fit: a setting, if it reads all of them."""
    found: dict[str, None] = {}
    places = database.execute(
        "SELECT DISTINCT rule, column_name FROM refused WHERE rule IN ('cast', 'zone_missing') ORDER BY ALL"
    ).fetchall()
    for rule, place in places:
        if rule == "zone_missing":
            found['set timezone = "…", the zone of times without one'] = None
            continue
        table, _, column = str(place).partition(".")
        kind = tables.mappable(tables.CANONICAL[table]).get(column) if table in tables.CANONICAL else None
        is_time = place == "version" or (kind is not None and kind.type is tables.TIME)
        values = (
            "(SELECT DISTINCT trim(raw_value) AS v FROM refused WHERE rule = 'cast' "
            f"AND column_name = {literal(place)} AND raw_value IS NOT NULL LIMIT {_JUDGED})"
        )
        made = _of_times(database, values, stream) if is_time else _of_numbers(database, values, stream)
        found |= dict.fromkeys(made)
    return list(found)


def _of_times(database: duckdb.DuckDBPyConnection, values: str, stream: Stream) -> list[str]:
    forms = [form for form in FORMATS if form not in stream.time_formats]
    checks = [f"bool_and(try_strptime(v, {literal(form)}) IS NOT NULL)" for form in forms]
    epochs = [name for name in EPOCHS if name not in stream.time_formats]
    checks += [f"bool_and(regexp_full_match(v, '[0-9]{{{EPOCHS[name]}}}'))" for name in epochs]
    row = database.execute(f"SELECT {', '.join(checks)} FROM {values}").fetchone() or ()
    fit = [form for form, fits in zip([*forms, *epochs], row, strict=True) if fits]
    if stream.time_formats and "iso" not in stream.time_formats:
        reads = database.execute(
            f"SELECT bool_and(regexp_full_match(v, {literal(ISO)})) FROM {values}"
        ).fetchone()
        fit = ["iso", *fit] if reads and reads[0] else fit
    if not fit:
        return []
    listed = [*(stream.time_formats or ("iso",)), fit[0]]
    others = f" (or {_quoted(fit[1:3])}: the values leave it open)" if fit[1:] else ""
    return [f"set time_formats = [{_quoted(listed)}]{others}"]


def _quoted(forms: Sequence[str]) -> str:
    return ", ".join(f'"{form}"' for form in forms)


def _of_numbers(database: duckdb.DuckDBPyConnection, values: str, stream: Stream) -> list[str]:
    row = database.execute(
        f"SELECT bool_and(regexp_full_match(v, {literal(_DECIMAL_COMMA)})), "
        f"bool_and(regexp_full_match(v, {literal(_DECIMAL_POINT)})) FROM {values}"
    ).fetchone() or (None, None)
    if row[0] and stream.decimal == ".":
        return ['set decimal = ","']
    if row[1]:
        return ["take the separators out in the mapping: replace(…, ',', '')"]
    return []
