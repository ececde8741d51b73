"""An expression sees its own record and nothing else: what is refused, what stays allowed."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pytest

from cxflow import record_sql
from cxflow.errors import ConfigError

QUERIES = (
    "(SELECT 1)",
    "SELECT 1",
    "ARRAY(SELECT 1)",
    "x IN (SELECT unnest(l))",
    "EXISTS (FROM raw)",
    "(FROM 'a.csv')",
    "(WITH a AS (SELECT 1) SELECT * FROM a)",
    "CASE WHEN x THEN (SELECT content FROM read_text('a')) END",
    "list_transform(l, lambda x: (SELECT x))",
)
NOT_THE_RECORD = (
    "now()",
    "main.now()",
    "x.now()",
    "today() - x",
    "random()",
    "uuid()",
    "gen_random_uuid()",
    "uuidv7()",
    "txid_current()",
    "nextval('s')",
    "transaction_timestamp()",
    "current_localtimestamp()",
    "age(x)",
    "ago(INTERVAL 1 DAY)",
    "getenv('HOME')",
    "getvariable('x')",
    "current_setting('memory_limit')",
    "current_database()",
    "version()",
    "read_text('a')",
    "glob('*')",
    "query('SELECT 1')",
    "query_table('a')",
    "json_serialize_plan('SELECT 1')",
    "pg_get_viewdef(1)",
    "get_block_size('a')",
    "pg_sleep(1)",
    "write_log('a')",
    "list_transform(l, lambda x: x + random())",
    "[x for x in l if x > random()]",
    "CASE WHEN now() > x THEN 1 END",
    "x BETWEEN now() AND y",
    "f(x ORDER BY random())",
    "sum(x) FILTER (WHERE random() > 1)",
)
CLOCKS = (
    "current_date",
    "CURRENT_TIMESTAMP",
    "current_time",
    "localtime",
    "localtimestamp",
    "x - current_date",
)
BROKEN_OUT = (
    "1) FROM read_text('a') --",
    "1), (2",
    "1) FROM raw --",
    "1)--",
    "1) FROM raw WHERE (true",
    "1) UNION (SELECT 2",
    "1; SELECT 2",
    "x -- a comment",
    "1) FROM raw, read_text('a') t(",
    "1 /*",
    "'",
    "",
)
ALLOWED = (
    "x",
    "x.y.z",
    "a[1].b",
    "list_transform(l, lambda x: x + 1)",
    "[x for x in l if x > 1]",
    "list_filter(l, lambda current_date: current_date > 1)",
    "list_sum(list_transform(l, lambda i: i.price * i.count))",
    "x IN ('a', 'b')",
    "x IN l",
    "map {'a': 1}",
    "{'a': x}.a",
    "struct_pack(a := x)",
    "age(x, y)",
    "split_part(x, 'a', 1)",
    "nullif(x, '')",
    "date_trunc('day', x)",
    "x AT TIME ZONE 'UTC'",
    "strptime(x, '%d/%m/%Y')",
    "regexp_extract(x, '(\\d+)', 1)",
    "x::JSON ->> '$.a'",
    "md5(x)",
    "generate_series(1, 3)",
    "x + INTERVAL 1 DAY",
    "TRY_CAST(x AS INTEGER)",
    "user",
    "user.id",
    '"current_date"',
    "t.current_date",
    "id_of('shop', x)",
    "x -- a comment\n",
    "'now()'",
)


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"(?s)^a\.b: .* contains a query.*list functions"):
        record_sql.check("a.b", text)


@pytest.mark.parametrize("text", NOT_THE_RECORD)
def test_a_function_of_more_than_the_record_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.b: .* calls \w+\(\), whose value depends on more than"):
        record_sql.check("a.b", text)


@pytest.mark.parametrize("text", CLOCKS)
def test_a_clock_without_parentheses_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.b: .* uses \w+, whose value depends on more than"):
        record_sql.check("a.b", text)


@pytest.mark.parametrize("text", BROKEN_OUT)
def test_what_is_not_one_expression_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.b: .*(does not parse|is not one expression)"):
        record_sql.check("a.b", text)


@pytest.mark.parametrize("text", ALLOWED)
def test_an_expression_over_its_record_is_allowed(text: str) -> None:
    assert record_sql.check("a.b", text).text == text


def test_every_function_that_the_catalogue_calls_inconsistent_is_refused() -> None:
    with duckdb.connect() as database:
        rows = database.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type = 'scalar' AND stability <> 'CONSISTENT'"
        ).fetchall()
    assert len(rows) > 20
    for (name,) in rows:
        with pytest.raises(ConfigError, match="whose value depends on more than"):
            record_sql.check("a.b", f'"{name}"()')


def test_the_columns_of_an_expression_are_those_of_the_record() -> None:
    text = 'coalesce(sha256(a || "b c".d), list_first(list_filter(l, lambda x: x.y = z)))'
    found = {column.path: column.inside for column in record_sql.parse("", text).columns()}
    assert found == {
        ("a",): ("sha256", "||"),
        ("b c", "d"): ("sha256", "||"),
        ("l",): ("list_first", "list_filter"),
        ("z",): ("list_first", "list_filter"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score +", "'score +' does not parse: it ends too early\nline 1, column 8:\n  score +\n         ^"),
        (
            "upper(\n  x fro y\n)",
            "'upper( …' does not parse: syntax error at or near \"fro\"\nline 2, column 5:\n    x fro y\n      ^",
        ),
        (
            "'日本é' || now()",
            "calls now(), whose value depends on more than the record (a clock, chance, a file, a setting); an "
            "expression sees only its own record\nline 1, column 10:\n  '日本é' || now()\n             ^",
        ),
        (
            "a\n\t|| (SELECT 1)",
            "contains a query; an expression sees only its own record\nline 2, column 5:\n  \t|| (SELECT 1)\n  \t   ^",
        ),
        (
            "a = 1 AND current_date > b",
            "uses current_date, whose value depends on more than the record; an expression sees only its own record"
            "\nline 1, column 11:\n  a = 1 AND current_date > b\n            ^",
        ),
        (
            "sum(a) OVER ()",
            "uses a window function; an expression sees only its own record"
            "\nline 1, column 1:\n  sum(a) OVER ()\n  ^",
        ),
    ],
)
def test_the_place_of_a_fault_is_shown(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        record_sql.check("a.b", text)
    assert caught.value.message.startswith("a.b: ")
    assert caught.value.message.endswith(message)


@pytest.mark.parametrize(
    ("aggregate", "is_ordered"),
    [
        ("list(x ORDER BY y)", True),
        ("list(x ORDER BY x)", True),
        ("list(x ORDER BY x DESC)", True),
        ("list_sort(list(x))", True),
        ("list(x)", False),
        ("list_distinct(list(x))", False),
    ],
)
def test_a_list_is_in_order_if_it_says_so_or_is_sorted(aggregate: str, is_ordered: bool) -> None:
    found = {call.name: call for call in record_sql.calls(record_sql.parse("", aggregate))}
    assert found["list"].is_ordered == is_ordered


def test_a_clock_is_refused_whatever_was_checked_before() -> None:
    """DuckDB's catalogue does not list it."""
    for text in ("localtime()", "localtime"):
        with pytest.raises(ConfigError, match="whose value depends on more than"):
            record_sql.check("a.b", text)


_FORKING = """
import os, sys
from cxflow import record_sql
record_sql.check("a", "upper(x)")
child = os.fork()
record_sql.check("a", "lower(x)")
sys.exit(0 if child == 0 else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_can_check_and_end() -> None:
    """As the tasks of a process that has checked a mapping itself."""
    subprocess.run([sys.executable, "-c", _FORKING], check=True, timeout=120)
