"""What every engine must be able to do, as its users see it. A further engine is a line of `MATRIX`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from trip_bench import Bench

from cxflow.airflow import pool
from cxflow.errors import ConfigError, CxflowError, SchemaError
from cxflow.kpis.read import values
from cxflow.settings import Settings, load
from cxflow.warehouse import engines, revisions, schema_drift, transactions
from cxflow.warehouse.functions import sorted_array, utc

MATRIX: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "duckdb": lambda _: "duckdb:///warehouse.duckdb",
    "postgresql": lambda request: str(request.getfixturevalue("postgresql")()),
    "quack": lambda _: "quack:///warehouse.quack",
}
"""Engine to the URL of a new, empty database."""

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREAM = {
    "primary_key": ["id"],
    "version": "changed",
    "deleted": "gone",
    "may_lack": ["gone"],
    "identifiers": {"email": "mail"},
    "to": {
        "touchpoint": {"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "changed"},
        "review": {
            "review_id": "id",
            "rating_value": "stars",
            "worst_rating": "1",
            "best_rating": "5",
            "date_published": "changed",
        },
    },
}


@pytest.fixture(autouse=True)
def _made_up_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine is found because its module is there."""
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(Path(__file__).parent / "made_up")])


@pytest.fixture(params=MATRIX)
def warehouse(request: pytest.FixtureRequest) -> dict[str, str]:
    """A project's `[warehouse]`, without tables."""
    return {"url": MATRIX[request.param](request)}


@pytest.fixture
def settings(tmp_path: Path, warehouse: dict[str, str]) -> Settings:
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{warehouse["url"]}"\n')
    return load(tmp_path)


def record(id: int, day: int, stars: int = 5, **fields: Any) -> dict[str, Any]:
    changed = f"2026-03-{day:02d}T10:00:00Z"
    return {"id": id, "changed": changed, "stars": stars, "mail": f"p{id % 3}@example.org", **fields}


def test_the_matrix_names_every_engine() -> None:
    assert sorted(MATRIX) == engines.names()


def test_an_engine_is_asked_for_by_the_name_of_its_backend(settings: Settings) -> None:
    engine = transactions.engine_of(settings)
    with transactions.transaction(settings) as connection:
        assert engines.of(connection) is engine
        assert connection.dialect.name == engine.name
    assert engine.title
    assert engine.has_roles is (engine.roles is not None)
    assert (pool.needed(settings) is not None) is engine.single_writer


def test_the_trip_of_a_record_comes_to_the_same_everywhere(tmp_path: Path, warehouse: dict[str, str]) -> None:
    bench = Bench(tmp_path / "project", {"things": STREAM}, warehouse=warehouse, kpis={"min_n": 1})
    first = bench.load([record(1, 1), record(2, 1, stars=1), record(3, 2), record(4, 2, stars=9)])
    assert (first.counts.inserted, first.counts.quarantined) == (3, 1)
    again = bench.load([record(1, 1), record(2, 2, stars=2), record(3, 1), record(5, 2, gone=True)])
    assert (
        again.counts.unchanged,
        again.counts.updated,
        again.counts.deduplicated,
        again.counts.deleted,
    ) == (
        1,
        1,
        1,
        1,
    )
    bench.settle()
    assert bench.rows("review", "review_id", "rating_value", "is_deleted") == [
        ("shop:1", 5.0, False),
        ("shop:2", 2.0, False),
        ("shop:3", 5.0, False),
        ("shop:5", 5.0, True),
    ]
    assert bench.query(
        "SELECT count(DISTINCT customer_id) FROM review r JOIN touchpoint USING (touchpoint_id)"
    ) == [(3,)]
    assert bench.query("SELECT count(*) FROM mart_touchpoint WHERE activity = 'wrote_review'") == [(3,)]
    with transactions.reading(bench.settings) as connection:
        (whole,) = values(connection, "review_rating")
        by_month = values(connection, "review_rating", "month")
    assert (whole.n, whole.value) == (3, pytest.approx(4.0))
    assert [(str(each.period_start), each.n) for each in by_month] == [("2026-03-01", 3)]
    assert bench.books_balance()


def test_a_migrated_warehouse_is_what_the_declarations_say_and_an_alteration_is_found(
    settings: Settings,
) -> None:
    assert revisions.migrate(settings) == (None, revisions.head())
    assert revisions.migrate(settings) == (revisions.head(), revisions.head())
    with transactions.transaction(settings) as connection:
        assert schema_drift.find(connection) == []
        connection.exec_driver_sql("ALTER TABLE review DROP COLUMN language")
        connection.exec_driver_sql("ALTER TABLE lead ADD COLUMN mine INTEGER")
        connection.exec_driver_sql("ALTER TABLE refund ALTER COLUMN is_deleted TYPE VARCHAR")
        found = [each.description for each in schema_drift.find(connection)]
    assert sorted(found) == [
        "lead.mine is not a column of cxflow's",
        "refund.is_deleted is VARCHAR instead of BOOLEAN",
        "review.language is missing",
    ]


STAGED = (
    "SELECT 1::BIGINT AS _row, 'ñ \U0001f600'::VARCHAR AS word, TIMESTAMPTZ '2026-03-01 12:00:00.000001+00' AS at, "
    "0.1::DOUBLE AS half, true AS flag, 12.3400::DECIMAL(18, 4) AS money "
    "UNION ALL SELECT 2, NULL, NULL, NULL, NULL, NULL"
)


@pytest.mark.parametrize("is_read_only", [True, False])
def test_what_duckdb_staged_arrives_unchanged(settings: Settings, tmp_path: Path, is_read_only: bool) -> None:
    source = tmp_path / "batch.duckdb"
    with duckdb.connect(str(source)) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"CREATE SCHEMA output; CREATE TABLE output.thing AS {STAGED}")
    with transactions.transaction(settings) as connection:
        engine = engines.of(connection)
        engine.stage(connection, "stage_thing", source, "output.thing", is_read_only=is_read_only)
        rows = [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM stage_thing ORDER BY _row")]
        if not is_read_only:
            engine.analyze(connection, "stage_thing")
            connection.exec_driver_sql("DELETE FROM stage_thing WHERE _row = 2")
            assert connection.exec_driver_sql("SELECT count(*) FROM stage_thing").scalar() == 1
    (number, word, at, half, flag, money), nothing = rows
    assert (number, word, half, flag, str(money)) == (1, "ñ \U0001f600", 0.1, True, "12.3400")
    assert at.astimezone(UTC) == datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    assert nothing == (2, None, None, None, None, None)
    with transactions.transaction(settings) as connection, pytest.raises(sa.exc.DBAPIError):
        connection.exec_driver_sql("SELECT * FROM stage_thing")


def test_times_are_utc_and_arrays_sorted(settings: Settings) -> None:
    instant = sa.literal(datetime.fromisoformat("2026-07-01T01:30:00+02:00"), sa.TIMESTAMP(timezone=True))
    numbers = sa.values(sa.column("number", sa.Double), name="numbers").data([(2.5,), (-1.0,), (10.0,)])
    with transactions.transaction(settings) as connection:
        assert str(connection.scalar(sa.select(utc(instant)))) == "2026-06-30 23:30:00"
        assert list(connection.scalar(sa.select(sorted_array(numbers.c.number)))) == [-1.0, 2.5, 10.0]


def test_a_transaction_is_kept_whole_or_not_at_all(settings: Settings) -> None:
    revisions.migrate(settings)
    insert = "INSERT INTO stream_lock (source_system, source_object) VALUES ('shop', '{}')"

    def lose(connection: sa.Connection) -> None:
        connection.exec_driver_sql(insert.format("lost"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transactions.committed(settings, lose)
    transactions.committed(settings, lambda connection: connection.exec_driver_sql(insert.format("kept")))
    with transactions.reading(settings) as connection:
        assert connection.exec_driver_sql("SELECT source_object FROM stream_lock").scalars().all() == ["kept"]
    with pytest.raises(CxflowError), transactions.reading(settings) as connection:
        connection.exec_driver_sql(insert.format("written by a reader"))


def test_locks_may_be_taken_one_after_another_and_again(settings: Settings) -> None:
    revisions.migrate(settings)
    with transactions.transaction(settings) as connection:
        engine = engines.of(connection)
        for _ in range(2):
            engine.lock_definitions(connection)
            engine.lock_streams(connection)
            engine.lock_stream(connection, "shop", "orders")
        done = []
        engine.run_exclusive(connection, lambda: done.append(True))
    assert done == [True]


def test_a_view_is_replaced_whatever_its_columns_were(settings: Settings) -> None:
    for query in ("SELECT 1 AS a, 2 AS b", "SELECT 'x' AS c", "SELECT 'y' AS c"):
        with transactions.transaction(settings) as connection:
            engines.of(connection).replace_views(connection, {"look": query})
    with transactions.reading(settings) as connection:
        assert connection.exec_driver_sql("SELECT * FROM look").mappings().all() == [{"c": "y"}]


def test_a_missing_table_is_told_as_one_and_no_value_is_quoted(settings: Settings) -> None:
    refused = pytest.raises(SchemaError, match="are not those that cxflow made")
    with refused as caught, transactions.transaction(settings) as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere WHERE mail = 'ada@example.org'")
    assert "ada@" not in str(caught.value)


def test_a_role_is_refused_where_there_are_none_and_a_reserved_name_anywhere(
    tmp_path: Path, warehouse: dict[str, str]
) -> None:
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{warehouse["url"]}"\nbi_role = "public"\n')
    settings = load(tmp_path)
    with pytest.raises(ConfigError) as caught:
        transactions.database(settings)
    engine = transactions.engine_of(settings)
    says = "bi_role cannot be 'public'" if engine.has_roles else f"{engine.title} has no roles"
    assert says in caught.value.message
    assert caught.value.value == "warehouse.bi_role"


ASKS = {"warehouse/engines", "warehouse/functions.py", "connect/sql", "model/dataset.py"}
"""Code that may know which database it is on: the engines, the functions they spell, the sources, and the names
of their tables for other tools."""


def test_no_code_but_the_engines_asks_which_database_the_warehouse_is_on() -> None:
    root = Path(engines.__file__).parents[2]
    asking = []
    for file in [*root.rglob("*.py"), *(root.parent / "warehouse").rglob("*.py")]:
        place = file.relative_to(root.parent).as_posix().removeprefix("cxflow/")
        if any(place.startswith(each) for each in ASKS):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            is_name = isinstance(node, ast.Constant) and node.value in engines.names()
            is_question = isinstance(node, ast.Attribute) and ast.unparse(node).endswith("dialect.name")
            if is_name or is_question:
                asking.append(f"{place}:{node.lineno}")
    assert asking == []
