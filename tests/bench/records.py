"""The records of the benchmarks: contacts of customers as JSON lines, 17 fields, one of them an object.

Made by DuckDB from the record's number alone, so that every run reads the same bytes. Numbers grow with time, as in
most systems. One record in a thousand has a time that is none, and belongs in quarantine.

Each is about one of 400,000 people, who have an e-mail address, sometimes written with capitals, and up to three
telephone numbers, spelled in four ways. A million records have 1.4 million identifiers.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

FIRST_DAY = "2026-01-01"
HISTORY_DAYS = 90
PEOPLE = 400_000
_SPREAD = 2_654_435_761
"""Knuth's multiplier: neighbours in number are strangers in everything but their time."""


def _record(number: str, second: str, updated: str | None = None) -> str:
    """The fields of the record with a number, as a SELECT list. It happened at a second from the first day, and was
    updated an hour later unless said otherwise; then its revenue is another one, too."""
    hashed = f"((({number}) * {_SPREAD}) % 4294967296)"
    person = f"({hashed} % {PEOPLE})"
    line = f"lpad(({person} * 3 + {hashed} // {PEOPLE} % 3)::VARCHAR, 8, '0')"
    spaced = f"'6' || {line}[1:2] || ' ' || {line}[3:5] || ' ' || {line}[6:8]"
    spellings = f"'+346' || {line}, '+34 ' || {spaced}, '0034 ' || {spaced}, {spaced}"
    occurred = f"TIMESTAMP '{FIRST_DAY}' + to_seconds(({second})::BIGINT)"
    changed = updated or f"{occurred} + INTERVAL 1 HOUR"
    activities = "['called_support', 'contacted_support', 'visited_page', 'answered_survey']"
    iso = "'%Y-%m-%dT%H:%M:%SZ'"
    return f"""
        printf('T%09d', {number}) AS id,
        strftime({changed}, {iso}) AS updated_at,
        CASE WHEN ({number}) % 1000 = 17 THEN 'yesterday' ELSE strftime({occurred}, {iso}) END AS occurred_at,
        strftime({occurred} + to_seconds({hashed} % 900), {iso}) AS ended_at,
        list_extract({activities}, 1 + ({number}) % 4) AS activity,
        list_extract(['phone', 'email', 'chat', 'web', 'app'], 1 + {hashed} % 5) AS channel,
        printf('A%03d', {hashed} % 400) AS agent_id,
        printf('O%08d', ({number}) // 3) AS order_id,
        list_extract(['delivery', 'invoice', 'defect', 'account'], 1 + {hashed} % 4) AS reason,
        CASE WHEN ({number}) % 4 = 3 THEN {hashed} % 11 END AS score,
        printf('%d.%02d', {hashed} % 300, ({hashed} + {int(updated is not None)}) % 100) AS revenue,
        'EUR' AS currency,
        printf(list_extract(['user%d@example.org', 'User%d@Example.org'], 1 + {hashed} // 7 % 2), {person}) AS email,
        list_extract([{spellings}], 1 + {hashed} // 11 % 4) AS phone,
        {hashed} % 60 AS wait_seconds,
        {hashed} % 800 AS talk_seconds,
        {{'id': printf('C%08d', {person}), 'segment': 'consumer', 'language': 'en'}} AS customer"""


def _second(number: str, first: int, records: int) -> str:
    return f"(({number}) - {first}) * {HISTORY_DAYS * 86400}::BIGINT // {records}"


def history(path: Path, records: int, first: int = 0) -> None:
    """Write the first delivery: `records` records over 90 days, numbered from `first`."""
    number = f"range + {first}"
    _write(path, f"SELECT {_record(number, _second(number, first, records))} FROM range({records})")


def second_day(path: Path, known: int, first: int = 0, records: int = 100_000) -> None:
    """Write the delivery of the day after: a tenth are changes among the last 100,000 of the `known` records, the
    rest is new."""
    changes, day = records // 10, HISTORY_DAYS * 86400
    old, new = f"{first + known - 1} - range * 10", f"{first + known} + range"
    changed = _record(old, _second(old, first, known), f"TIMESTAMP '{FIRST_DAY}' + to_seconds({day} + range)")
    fresh = _record(new, f"{day} + range * 86400 // {records}")
    _write(
        path,
        f"SELECT {changed} FROM range({changes}) UNION ALL SELECT {fresh} FROM range({records - changes})",
    )


def _write(path: Path, sql: str) -> None:
    with duckdb.connect() as database:
        database.execute(f"COPY ({sql}) TO '{path}' (FORMAT json)")
