"""The records of the benchmarks: touchpoints as JSON lines, 13 fields, one of them an object.

Made by DuckDB from the record's number alone, so that every run reads the same bytes. One record in a thousand
has a time that is none, and belongs in quarantine.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

FIRST_DAY = "2026-01-01"
HISTORY_DAYS = 90
_SPREAD = 2_654_435_761
"""Knuth's multiplier: neighbours in number are strangers in time and customer."""


def _record(number: str, *, changed: str = "0", day: str = "NULL") -> str:
    """The fields of the record with a number, as a SELECT list. `changed` is how often it was changed, `day` the
    day on which it happened, from the first; null: spread over the history."""
    hashed = f"(({number}) * {_SPREAD}) % 4294967296"
    second = f"coalesce(({day}) * 86400 + {hashed} % 86400, {hashed} % {HISTORY_DAYS * 86400})"
    occurred = f"TIMESTAMP '{FIRST_DAY}' + to_seconds({second}::BIGINT)"
    activities = "['called_support', 'contacted_support', 'visited_page', 'answered_survey']"
    activity = f"list_extract({activities}, 1 + ({number}) % 4)"
    return f"""
        printf('T%09d', {number}) AS id,
        strftime({occurred} + to_hours(1 + 24 * {changed}), '%Y-%m-%dT%H:%M:%SZ') AS updated_at,
        CASE WHEN ({number}) % 1000 = 17 THEN 'yesterday' ELSE strftime({occurred}, '%Y-%m-%dT%H:%M:%SZ') END
            AS occurred_at,
        strftime({occurred} + to_seconds({hashed} % 900), '%Y-%m-%dT%H:%M:%SZ') AS ended_at,
        {activity} AS activity,
        list_extract(['phone', 'email', 'chat', 'web', 'app'], 1 + {hashed} % 5) AS channel,
        printf('A%03d', {hashed} % 400) AS agent_id,
        printf('O%08d', ({number}) // 3) AS order_id,
        list_extract(['delivery', 'invoice', 'defect', 'account'], 1 + {hashed} % 4) AS reason,
        CASE WHEN ({number}) % 4 = 3 THEN {hashed} % 11 END AS score,
        printf('%d.%02d', {hashed} % 300, ({hashed} + {changed}) % 100) AS revenue,
        'EUR' AS currency,
        {{'id': printf('C%08d', {hashed} % 400000), 'segment': 'consumer', 'language': 'en'}} AS customer"""


def history(path: Path, records: int) -> None:
    """Write the first delivery: `records` records over the first 90 days."""
    _write(path, f"SELECT {_record('range')} FROM range({records})")


def second_day(path: Path, known: int, records: int = 100_000) -> None:
    """Write the next delivery: a tenth are changes of records among the last 100,000 of `known`, the rest new and of
    the day after the history."""
    changes = records // 10
    old = f"{known} - 1 - range * (least({known}, 100000) // {changes})"
    _write(
        path,
        f"SELECT {_record(old, changed='1')} FROM range({changes}) UNION ALL "
        f"SELECT {_record(f'{known} + range', day=str(HISTORY_DAYS))} FROM range({records - changes})",
    )


def _write(path: Path, sql: str) -> None:
    with duckdb.connect() as database:
        database.execute(f"COPY ({sql}) TO '{path}' (FORMAT json)")
