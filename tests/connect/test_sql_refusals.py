"""What the built-in connector `sql` refuses, and how it says so: nothing is written, nothing secret is shown."""

from __future__ import annotations

import json
import sqlite3
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sql_source import KINDS, PLUGINS, TO, Shop

from cxflow.connect.sql.errors import explained
from cxflow.connect.sql.opening import opened, parsed
from cxflow.errors import ConfigError, CxflowError, SourceError, TransientError
from cxflow.testing import TestProject

PASSWORD = "opensesame-invented"
ROW = (1, "2026-03-02 09:00:00+00:00")

SLOW = {
    "postgresql": "SELECT 1 AS id, pg_sleep(20)::text AS updated_at",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) "
    "SELECT i AS id FROM n WHERE i < 0",
    "duckdb": "SELECT sum(sin(range)) AS id FROM range(1000000000000)",
}


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, postgresql: Callable[[], str]) -> Shop:
    made = Shop(request.param, tmp_path, postgresql)
    made.orders(ROW)
    return made


@pytest.fixture
def on_postgresql(tmp_path: Path, postgresql: Callable[[], str]) -> Shop:
    made = Shop("postgresql", tmp_path, postgresql)
    made.orders(ROW)
    return made


def refusal(shop: Shop, **stream: Any) -> CxflowError:
    """What `check` says; it names the connection and the stream, and does not show the URL."""
    connector = shop.connector(**stream)
    with pytest.raises(CxflowError) as raised:
        connector.check(connector.stream("orders"))
    assert raised.value.place == "shop.orders"
    shown = "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in shown
    assert shop.url not in str(raised.value)
    return raised.value


def test_a_statement_that_writes_is_refused(shop: Shop) -> None:
    with (
        opened(parsed(shop.url), shop.folder, 10) as database,
        pytest.raises(CxflowError),
    ):
        database.first(sa.text("INSERT INTO orders VALUES (2, NULL) RETURNING id"))  # type: ignore[arg-type]
    assert shop.query("SELECT count(*) FROM orders") == [(1,)]


def test_a_function_that_writes_is_refused(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'INSERT INTO orders VALUES (2); SELECT 1'"
    )
    with pytest.raises(ConfigError, match="a source is only read"):
        on_postgresql.land(query="SELECT bump() AS id")
    assert on_postgresql.query("SELECT count(*) FROM orders") == [(1,)]


def test_a_statement_that_takes_too_long_is_broken_off(shop: Shop) -> None:
    began = datetime.now(UTC)
    with pytest.raises(TransientError, match=r"took longer than 0\.3 s") as raised:
        shop.land(connection={"statement_timeout_seconds": 0.3}, query=SLOW[shop.kind])
    assert (datetime.now(UTC) - began).total_seconds() < 10
    shown = "".join(traceback.format_exception(raised.value))
    assert "The above exception" not in shown


def test_a_table_that_is_not_there_is_named_with_the_nearest(shop: Shop) -> None:
    error = refusal(shop, table="ordres")
    assert isinstance(error, ConfigError)
    assert "there is no table 'ordres'; did you mean 'orders'?" in str(error)


def test_a_schema_that_is_not_there_is_named(shop: Shop) -> None:
    schema = {"postgresql": "public", "sqlite": "main", "duckdb": "main"}[shop.kind]
    assert "did you mean 'orders'" in str(refusal(shop, table=f"{schema}.ordrs"))
    assert f"there is no schema '{schema}x'; did you mean '{schema}'?" in str(
        refusal(shop, table=f"{schema}x.orders")
    )
    assert shop.land(table=f"{schema}.orders").ids == [1]


def test_a_cursor_column_that_is_not_there_is_named_with_the_nearest(shop: Shop) -> None:
    error = refusal(shop, cursor=["update_at", "id"])
    assert "orders has no column 'update_at' for the cursor; did you mean 'updated_at'?" in str(error)


@pytest.mark.parametrize("names", ["Score", "SCORE", "score "])
def test_columns_that_differ_in_case_alone_are_refused(shop: Shop, names: str) -> None:
    error = refusal(shop, query=f'SELECT id, 1 AS score, 2 AS "{names}" FROM orders')
    assert isinstance(error, ConfigError)
    assert f"query has the columns 'score' and {names!r}, and a mapping cannot tell them apart" in str(error)
    with pytest.raises(ConfigError, match="cannot tell them apart"):
        shop.land(query=f'SELECT id, 1 AS "{names}", 2 AS score FROM orders')


def test_so_are_those_of_a_table(on_postgresql: Shop) -> None:
    on_postgresql.execute('CREATE TABLE scores (id int, score int, "Score" int)')
    assert "scores has the columns 'score' and 'Score'" in str(refusal(on_postgresql, table="scores"))


def test_columns_of_one_name_are_numbered(shop: Shop) -> None:
    """Nothing is mixed up: the first keeps its name."""
    landed = shop.land(query="SELECT o.id, p.id, o.id AS number FROM orders o JOIN orders p ON o.id = p.id")
    assert len(landed.manifest.raw_columns) == 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT idd FROM orders", "idd"),
        ("SELECT id FROM ordrs", "ordrs"),
        ("SELECT id FROM orders WHERE WHERE", "syntax"),
    ],
)
def test_a_query_that_the_database_does_not_understand_is_explained(
    shop: Shop, query: str, says: str
) -> None:
    error = refusal(shop, query=query)
    assert isinstance(error, ConfigError)
    assert "the database does not understand" in str(error)
    assert says in str(error)
    assert shop.query("SELECT count(*) FROM orders") == [(1,)]


def test_a_value_at_fault_is_not_shown(shop: Shop) -> None:
    if shop.kind == "sqlite":
        pytest.skip("SQLite casts whatever there is")
    query = "SELECT CAST(note AS integer) AS id FROM (SELECT 'ada@example.org' AS note FROM orders) n"
    with pytest.raises(SourceError, match="failed on a value") as raised:
        shop.land(query=query)
    assert "ada" not in "".join(traceback.format_exception(raised.value))


def test_a_table_without_the_right_to_read_it_says_so(on_postgresql: Shop) -> None:
    on_postgresql.execute("DROP ROLE IF EXISTS cxflow_reader", "CREATE ROLE cxflow_reader LOGIN")
    on_postgresql.write_url(_as_user(on_postgresql.url, "cxflow_reader"))
    error = refusal(on_postgresql, table="orders")
    assert isinstance(error, ConfigError)
    assert "no permission to read" in str(error)


def test_a_user_who_is_not_known_is_a_fault_of_the_configuration(on_postgresql: Shop) -> None:
    on_postgresql.write_url(_as_user(on_postgresql.url, "nobody_here"))
    error = refusal(on_postgresql)
    assert isinstance(error, ConfigError)
    assert "refuses the connection" in str(error)


def _as_user(url: str, user: str) -> str:
    changed = sa.make_url(url).set(username=user, password=PASSWORD)
    return changed.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("url", "kind", "says"),
    [
        (f"postgresql://reader:{PASSWORD}@127.0.0.1:1/erp", TransientError, "cannot be reached"),
        (f"postgresql://reader:{PASSWORD}@127.0.0.1:one/erp", ConfigError, "not a database URL"),
        (f"postgresql://reader:{PASSWORD}@127.0.0.1:1/erp?colour={PASSWORD}", ConfigError, "options of url"),
        (f"postgres://reader:{PASSWORD}@127.0.0.1/erp", ConfigError, "no database driver 'postgres'"),
        (
            f"postgresql+nosuch://reader:{PASSWORD}@h/erp",
            ConfigError,
            "no database driver 'postgresql+nosuch'",
        ),
        (f"mssql+pymssql://reader:{PASSWORD}@h/erp", ConfigError, "driver of mssql+pymssql is not installed"),
        (f"postgresql+asyncpg://reader:{PASSWORD}@h/erp", ConfigError, "an asynchronous driver"),
        (PASSWORD, ConfigError, "not a database URL"),
        (f"sqlite:///{PASSWORD}.db", ConfigError, "does not exist"),
        ("sqlite://", ConfigError, "in-memory"),
        (f"duckdb:///{PASSWORD}.db", ConfigError, "does not exist"),
        ("sqlite:///notes.txt", ConfigError, "refuses the connection"),
        ("duckdb:///notes.txt", ConfigError, "refuses the connection"),
    ],
)
def test_a_url_that_will_not_do_is_explained_and_not_shown(
    tmp_path: Path, url: str, kind: type[CxflowError], says: str
) -> None:
    shop = Shop("sqlite", tmp_path, None)
    (tmp_path / "notes.txt").write_text("no database, this. " * 500)
    shop.write_url(url)
    connector = shop.connector()
    with pytest.raises(kind, match=says.replace("+", r"\+")) as raised:
        connector.check(connector.stream("orders"))
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))
    assert raised.value.place == "shop.orders"
    assert not (tmp_path / f"{PASSWORD}.db").exists()


def test_a_connection_that_breaks_off_may_be_tried_again(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE FUNCTION break_off() RETURNS text LANGUAGE sql AS "
        "'SELECT pg_terminate_backend(pg_backend_pid())::text'"
    )
    with pytest.raises(TransientError, match="ended the connection"):
        on_postgresql.land(query="SELECT break_off() AS id")


def test_a_file_that_another_process_writes_is_busy(tmp_path: Path) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.orders(ROW)
    writer = sqlite3.connect(tmp_path / "shop.sqlite", isolation_level=None)
    try:
        writer.execute("BEGIN EXCLUSIVE")
        shop.write_url(f"{shop.url}?timeout=0.1")
        assert isinstance(refusal(shop), TransientError)
    finally:
        writer.close()


def test_a_folder_of_sqlite_where_its_user_may_not_write_is_told_from_a_query_that_writes() -> None:
    """Who runs the tests may write everywhere: what SQLite says then was seen as another user."""
    said = sqlite3.OperationalError("attempt to write a readonly database")
    said.sqlite_errorname = "SQLITE_READONLY_DIRECTORY"
    error = explained(said, expired=False, timeout_seconds=1)
    assert isinstance(error, ConfigError)
    assert "may not write its -shm file" in str(error)


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ({"table": "orders", "query": "SELECT 1"}, "a stream needs either table"),
        ({"table": ""}, "a stream needs either table"),
        ({"cursor": ["email"], "pii": ["email"]}, "tagged as personal data"),
        ({"cursor_type": "times"}, "cursor_type"),
    ],
)
def test_a_declaration_that_will_not_do_is_explained(
    tmp_path: Path, stream: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        Shop("sqlite", tmp_path, None).connector(**stream)


def test_a_url_in_the_configuration_itself_is_refused_and_not_shown(tmp_path: Path) -> None:
    shop = Shop("sqlite", tmp_path, None)
    for url, says in {
        f"postgresql://reader:{PASSWORD}@host/erp": "a URL with a password is not written here",
        "postgresql://reader@host/erp": "a URL may hold a password",
    }.items():
        with pytest.raises(ConfigError, match=rf"connections\.shop\.url: {says}") as raised:
            shop.connector({"url": url})
        assert PASSWORD not in str(raised.value)


def test_a_floating_key_is_refused(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="neither a time, nor a whole number, nor text"):
        shop.land(query="SELECT CAST(1.5 AS double precision) AS id FROM orders", cursor=["id"])


def test_the_password_is_nowhere(on_postgresql: Shop) -> None:
    user = sa.make_url(on_postgresql.url).username or "postgres"
    on_postgresql.write_url(_as_user(on_postgresql.url, user))
    stream = {"table": "orders", "cursor": ["updated_at", "id"], "primary_key": ["id"], "to": TO}
    connection = {"connector": "sql", "url": {"file": "shop.url"}, "streams": {"orders": stream}}
    project = TestProject(on_postgresql.folder, {"plugins": PLUGINS, "connections": {"shop": connection}})
    (report,) = project.run().values()
    assert report.counts.inserted == 1
    ledger = repr(project.query("SELECT * FROM load_run")) + repr(project.query("SELECT * FROM stream_state"))
    assert PASSWORD not in ledger
    manifests = list((project.folder / "landing").rglob("manifest.json"))
    assert manifests
    for manifest in manifests:
        assert PASSWORD not in manifest.read_text()
        assert "url" not in json.loads(manifest.read_text())
    connector = on_postgresql.connector()
    shown = repr(connector.connection) + str(connector.connection) + repr(connector.settings) + repr(project)
    assert PASSWORD not in shown
