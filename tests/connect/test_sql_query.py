"""The first safeguard of a source: a query must be one statement that only reads, in the dialect of its database."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
import sqlglot

from cxflow.connect.sql.effects import effects
from cxflow.connect.sql.query import reading, varies
from cxflow.errors import ConfigError

ESCAPE = "SELECT * FROM x) q; COMMIT; DELETE FROM x; SELECT * FROM (SELECT * FROM x"

READING = {
    "postgresql": [
        "TABLE x",
        "VALUES (1), (2)",
        "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1",
        "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
        "SELECT $$; DELETE FROM x; $$, E'\\';', ';' FROM \"a;b\" /* ; /* ; */ ; */ -- ; DROP TABLE x",
        "SELECT DISTINCT ON (a) a, b::date, c->>'d' FROM x LEFT JOIN LATERAL (SELECT 1) y ON true ORDER BY a",
        "SELECT * FROM json_to_recordset('[]') AS t(a int), xmltable('/a' PASSING x COLUMNS b text)",
        "SELECT count(*) FILTER (WHERE a > 1) OVER w FROM x WINDOW w AS (PARTITION BY b) FETCH FIRST 5 ROWS WITH TIES",
        'SELECT update, delete, "into" FROM x',
        "SELECT pg_typeof(a), pg_column_size(a), pg_xact_commit_timestamp(xmin) FROM x",
        "SELECT x.set_config, 'set_config(1)' FROM x",
        "SELECT * FROM x WHERE a LIKE '%(%' AND b = ')'",
    ],
    "sqlite": [
        "SELECT [a b], `c d`, json_extract(e, '$.f') FROM t INDEXED BY i WHERE g GLOB '*' AND glob('a', h)",
        "WITH c AS MATERIALIZED (SELECT 1) SELECT * FROM c, json_each('[1]'), pragma_table_info('t')",
        "SELECT 1 /* /* */",
    ],
    "duckdb": [
        "FROM x SELECT * EXCLUDE (a) QUALIFY row_number() OVER (ORDER BY b) = 1",
        "SELECT list_transform(a, lambda y: y + 1), {'b': 1}, b[1:2], unnest(c, recursive := true) FROM x GROUP BY ALL",
        "SELECT * FROM x ASOF JOIN y USING (a) USING SAMPLE 10%",
        "SELECT * FROM range(10) t(i) POSITIONAL JOIN x",
    ],
    "mysql": ["SELECT `a` FROM x # ; DELETE FROM x", "SELECT 'it\\'s ; (' FROM x"],
    "mssql": ["SELECT TOP 5 [a b] FROM x WITH (NOLOCK)"],
    "oracle": ["SELECT * FROM x WHERE a(+) = b"],
    "nobodys": ["SELECT a FROM x WHERE b > 1"],
}

REFUSED = {
    "postgresql": [
        (ESCAPE, "several statements"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("SELECT * FROM x) q, (SELECT 1", "a parenthesis without its other half"),
        ("SELECT (1", "a parenthesis without its other half"),
        ("SELECT 'a", "not closed"),
        ("SELECT 1 /* ", "not closed"),
        (" ; ", "is empty"),
        ("-- nothing", "is empty"),
        ("DELETE FROM x", "begins with 'DELETE'"),
        ("COPY x TO '/tmp/x'", "begins with 'COPY'"),
        ("CALL p()", "begins with 'CALL'"),
        ("SET transaction_read_only = off", "begins with 'SET'"),
        ("EXPLAIN ANALYZE DELETE FROM x", "begins with 'EXPLAIN'"),
        ("DO $$ BEGIN END $$", "begins with 'DO'"),
        ("WITH d AS (DELETE FROM x RETURNING *) SELECT * FROM d", "holds DELETE"),
        ("WITH d AS (INSERT INTO x VALUES (1) RETURNING *) SELECT * FROM d", "holds INSERT"),
        ("WITH d AS (UPDATE x SET a = 1 RETURNING *) TABLE d", "holds UPDATE"),
        ("WITH d AS (SELECT 1) DELETE FROM x", "holds DELETE"),
        (
            "WITH d AS (MERGE INTO x USING y ON x.a = y.a WHEN MATCHED THEN DELETE RETURNING x.a) SELECT * FROM d",
            "holds MERGE",
        ),
        ("SELECT * INTO y FROM x", "INTO"),
        ("SELECT 1 UNION SELECT 2 INTO y", "INTO"),
        ("SELECT * FROM x FOR UPDATE", "locks rows"),
        ("SELECT * FROM (SELECT * FROM x FOR NO KEY UPDATE SKIP LOCKED) q", "locks rows"),
        ("SELECT * FROM x WHERE a IN (SELECT a FROM y FOR SHARE OF y)", "locks rows"),
        ("SELECT set_config('a', 'b', false)", r"calls set_config\(\)"),
        ("SELECT 1 WHERE pg_catalog . \"set_config\" ('a', 'b', false) <> ''", r"calls set_config\(\)"),
        ("SELECT SET_CONFIG/* */('a', 'b', false)", r"calls SET_CONFIG\(\)"),
        ("SELECT U&\"\\0073et_config\"('a', 'b', false)", "Unicode escapes"),
        ("SELECT * FROM dblink('host=other', 'DELETE FROM x') AS t(a int)", r"calls dblink\(\)"),
        ("SELECT query_to_xml('SELECT 1', true, true, '')", r"calls query_to_xml\(\)"),
        ("SELECT begin show, set_config('a', 'b', false) FROM (SELECT 1 AS begin) q", "holds a command"),
        ("SELECT pg_of_the_next_version()", r"calls pg_of_the_next_version\(\)"),
    ],
    "sqlite": [
        (ESCAPE, "several statements"),
        ("SELECT 1 /* /* */ ; DELETE FROM x /* */", "several statements"),
        ("PRAGMA user_version = 3", "begins with 'PRAGMA'"),
        ("ATTACH 'other' AS o", "begins with 'ATTACH'"),
        ("REPLACE INTO x VALUES (1)", "begins with 'REPLACE'"),
        ("WITH d AS (SELECT 1) INSERT INTO x SELECT * FROM d", "holds INSERT"),
        *(
            (f"SELECT {name}('x')", rf"calls {name}\(\)")
            for name in ("load_extension", "readfile", "writefile")
        ),
    ],
    "duckdb": [
        (ESCAPE, "several statements"),
        ("INSTALL httpfs", "begins with 'INSTALL'"),
        ("LOAD httpfs", "begins with 'LOAD'"),
        ("ATTACH 'other.duckdb'", "begins with 'ATTACH'"),
        ("EXPORT DATABASE 'x'", "begins with 'EXPORT'"),
        ("CALL checkpoint()", "begins with 'CALL'"),
        ("WITH d AS (DELETE FROM x RETURNING *) FROM d", "holds DELETE"),
        *(
            (f"FROM {name}('x')", rf"calls {name}\(\)")
            for name in (
                "read_csv",
                "read_parquet",
                "read_text",
                "glob",
                "parquet_metadata",
                "query",
                "sqlite_scan",
                "postgres_query",
                "st_read",
                "checkpoint",
            )
        ),
    ],
    "mysql": [
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO"),
        ("SELECT 1 INTO @a", "INTO"),
        ("SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "a comment that MySQL executes"),
        ("SELECT * FROM x LOCK IN SHARE MODE", "locks rows"),
        ("SELECT get_lock('a', 1)", r"calls get_lock\(\)"),
    ],
    "mssql": [
        ("SELECT TOP 5 * FROM t DELETE FROM x", "holds DELETE"),
        ("SELECT NEXT VALUE FOR s", "moves a sequence"),
        ("SELECT * FROM OPENROWSET('a', 'b', 'c')", r"calls OPENROWSET\(\)"),
    ],
    "nobodys": [("DELETE FROM x", "begins with 'DELETE'")],
}


@pytest.mark.parametrize(
    ("dialect", "query"), [(dialect, query) for dialect, queries in READING.items() for query in queries]
)
def test_a_query_that_reads_is_taken_as_it_is(dialect: str, query: str) -> None:
    taken = reading(query, dialect)
    assert query.startswith(taken)
    assert query[len(taken) :].lstrip()[:2] in ("", "--", "/*", "# ")


@pytest.mark.parametrize(
    ("dialect", "query", "why"),
    [(dialect, query, why) for dialect, queries in REFUSED.items() for query, why in queries],
)
def test_a_query_that_does_more_than_read_is_refused(dialect: str, query: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"^the query .*{why}.*; a source is only read") as raised:
        reading(query, dialect)
    assert raised.value.value == "query"


def test_what_follows_the_end_of_a_query_is_left_out() -> None:
    assert reading("  SELECT 'ünï;' ;; -- all of them\n ;", "postgresql") == "  SELECT 'ünï;'"


def test_files_are_read_where_a_connection_allows_it_and_nothing_else() -> None:
    assert reading("FROM read_csv('x.csv')", "duckdb", files=True)
    with pytest.raises(ConfigError, match="calls query"):
        reading("FROM query('SELECT 1')", "duckdb", files=True)
    with pytest.raises(ConfigError, match="calls pg_read_file"):
        reading("SELECT pg_read_file('x.csv')", "postgresql", files=True)


NOT_PARSED = "SELECT a WHERE DISTINCTLY b FROM x ALONG y"
"""In no dialect: it stands for what a database understands and the parser does not."""


def test_what_the_parser_does_not_know_is_taken_where_its_words_prove_that_it_reads() -> None:
    with pytest.raises(sqlglot.errors.ParseError):
        sqlglot.parse_one(NOT_PARSED, read="postgres")
    assert reading(NOT_PARSED, "postgresql") == NOT_PARSED
    for written, why in (
        (f"{NOT_PARSED}; SELECT 1", "several statements"),
        (f"{NOT_PARSED}) q", "parenthesis"),
        (f"{NOT_PARSED} FOR UPDATE", "holds UPDATE"),
        (f"WITH d AS (DELETE FROM x) {NOT_PARSED}", "holds DELETE"),
        (f"{NOT_PARSED} INTO y", "holds INTO"),
        (f"{NOT_PARSED} WHERE set_config('a', 'b', false)", "calls set_config"),
    ):
        with pytest.raises(ConfigError, match=why):
            reading(written, "postgresql")
    assert reading(f"{NOT_PARSED} WHERE 'DELETE' = \"delete\"", "postgresql")


HARMLESS = re.compile(
    "(pg_get|pg_stat_get|pg_last|pg_current_wal|pg_xact_commit)_.*|pg_xact_status|txid_status|pg_is_in_recovery"
    "|pg_(database|indexes|relation|table|total_relation)_size|pg_partition_(ancestors|tree)|pg_sequence_last_value"
    "|pg_sleep(_for|_until)?|clock_timestamp|timeofday|current_query|currval|lastval|array_(sample|shuffle)"
    "|random|random_normal|setseed|gen_random_uuid|uuidv[47]|bernoulli|system"
    "|amvalidate|dsnowball_(init|lexize)|.*(handler|_validator)"
)
"""PostgreSQL's own functions that are volatile and yet only look, or that no query can call. Each was looked at."""


def test_every_function_of_postgresql_that_may_have_an_effect_is_refused(
    postgresql: Callable[[], str],
) -> None:
    with psycopg.connect(postgresql()) as connection:
        found = connection.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace "
            "AND provolatile = 'v' AND prorettype <> 'trigger'::regtype"
        ).fetchall()
    volatile = {name for (name,) in found}
    assert {"set_config", "pg_terminate_backend", "lo_import", "random"} < volatile
    known = effects("postgresql")
    allowed = {name for name in volatile if not known.forbids(name)}
    assert {name for name in allowed if not HARMLESS.fullmatch(name)} == set()


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT * FROM x WHERE random() < 0.5", "random"),
        ("SELECT * FROM x TABLESAMPLE SYSTEM (1)", "TABLESAMPLE"),
        ("SELECT * FROM x WHERE a = 'random'", None),
    ],
)
def test_what_varies_is_found_by_its_word(query: str, word: str | None) -> None:
    assert varies(query, "postgresql") == word
