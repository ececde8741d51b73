"""The role that BI reads as, on a real server: it reads the marts, nothing personal, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from trip_bench import Bench

from cxflow import flow
from cxflow.errors import ConfigError, SchemaError
from cxflow.validate import runner
from cxflow.warehouse import revisions, tables

ROLE = "cx_bi"
CANARY = "canary"
READABLE = {
    *(path.stem for path in (revisions.resources() / "marts").glob("*.sql")),
    "masked_customer_profile",
    "masked_review",
    "masked_support_case",
    "masked_survey_response",
}
STREAMS = {
    "things": {
        "primary_key": ["mail"],
        "identifiers": {"email": "mail"},
        "pii": ["mail", "name", "text"],
        "in_clear": {"primary_key_1": "the test: a reader must not see it even then"},
        "deleted": "gone",
        "may_lack": ["gone", "text"],
        "to": {
            "touchpoint": {"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "day"},
            "review": {
                "review_id": "id",
                "rating_value": "4",
                "review_body": "text",
                "date_published": "day",
            },
            "survey_response": {
                "response_id": "id",
                "question_id": "'nps'",
                "metric_type": "'nps'",
                "rating_value": "9",
                "worst_rating": "0",
                "best_rating": "10",
                "response_text": "text",
                "responded_at": "day",
            },
            "customer_profile": {
                "profile_id": "mail",
                "full_name": "name",
                "email": "mail",
                "city": "name",
                "region": "'Galicia'",
            },
        },
    }
}


def record(n: int, **fields: Any) -> dict[str, Any]:
    person = {"id": n, "mail": f"{CANARY}{n}@example.org", "name": f"{CANARY} {n}"}
    return {**person, "text": f"{CANARY} wrote {n}", "day": "2026-03-01T10:00:00Z", **fields}


def project(folder: Path, url: str, role: str | None = ROLE) -> Bench:
    warehouse = {"url": url, **({"bi_role": role} if role else {})}
    return Bench(folder, STREAMS, warehouse=warehouse, identity={"store_values": "clear"})


@pytest.fixture(scope="module")
def published(postgresql: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Personal data wherever it may be, published; `analyst` is a login of the role."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "run", lambda *_: [])
        bench = project(tmp_path_factory.mktemp("grants") / "project", postgresql())
        records = [record(1), record(2, text=None), record(3, gone=True), record(4, day=CANARY)]
        bench.load(records)
    bench.settle()
    run(bench, f"CREATE ROLE analyst LOGIN IN ROLE {ROLE}", "ANALYZE")
    return bench


def server(bench: Bench, user: str = "postgres") -> psycopg.Connection[Any]:
    url = bench.settings.warehouse.url.replace("//postgres:@", f"//{user}@")
    return psycopg.connect(url, autocommit=True)


def run(bench: Bench, *statements: str) -> None:
    with server(bench) as connection:
        for statement in statements:
            connection.execute(statement)


def ask(bench: Bench, sql: str, user: str = "analyst") -> list[tuple[Any, ...]]:
    with server(bench, user) as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def by_hand(bench: Bench, done: list[str], undone: list[str]) -> Any:
    run(bench, *done)
    try:
        yield
    finally:
        run(bench, *undone)
        flow.publish(bench.settings)


def relations(bench: Bench) -> set[str]:
    rows = bench.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'"
    )
    return {row[0] for row in rows}


def rights(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.query(
        "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT nspname, nspacl::text FROM pg_namespace "
        "UNION ALL SELECT attrelid::regclass::text, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL "
        "UNION ALL SELECT 'default', defaclacl::text FROM pg_default_acl ORDER BY 1, 2"
    )


def test_the_role_reads_the_views_and_no_other_relation(published: Bench) -> None:
    assert relations(published) > READABLE
    read = set()
    for name in relations(published):
        try:
            ask(published, f"SELECT * FROM {name}")
        except InsufficientPrivilege:
            continue
        read.add(name)
    assert read == READABLE
    assert ask(published, "SELECT count(*) FROM mart_touchpoint") == [(2,)]
    assert ask(published, "SELECT count(*) > 0 FROM mart_kpi") == [(True,)]


def test_nothing_that_the_role_reads_is_personal(published: Bench) -> None:
    for name in ("customer_profile", "review", "survey_response", "quarantine", "record_identity"):
        assert CANARY in str(published.query(f"SELECT * FROM {name}")), "it is there to be found"
    for name in READABLE | {"pg_stats", "pg_stat_activity", "pg_stat_user_tables", "pg_views", "pg_matviews"}:
        assert CANARY not in str(ask(published, f"SELECT * FROM {name}"))


def test_a_masked_view_shows_that_something_is_there_and_what_is_not_personal(published: Bench) -> None:
    rows = "SELECT review_id, rating_value, review_title, review_body FROM masked_review ORDER BY 1"
    assert ask(published, rows) == [("shop:1", 4.0, None, "***"), ("shop:2", 4.0, None, None)]
    profiles = "SELECT profile_id, full_name, email, phone, city, region FROM masked_customer_profile"
    assert ask(published, profiles) == [("***", "***", "***", None, "***", "Galicia")] * 2


@pytest.mark.parametrize(
    "table", [t for t in tables.CANONICAL.values() if any(c.info.get("pii") for c in t.columns)]
)
def test_the_keys_of_source_records_are_left_out_of_masked_views(published: Bench, table: Any) -> None:
    columns = ask(
        published,
        f"SELECT attname FROM pg_attribute WHERE attrelid = 'masked_{table.name}'::regclass AND attnum > 0",
    )
    assert {name for (name,) in columns} == {
        column.name for column in table.columns if column.name not in tables.PROVENANCE
    } | {"source_system"}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO kpi_definition (kpi) VALUES ('mine')",
        "UPDATE kpi_value SET value = 100",
        "UPDATE masked_review SET rating_value = 5",
        "DELETE FROM masked_customer_profile",
        "DELETE FROM customer",
        "TRUNCATE kpi_value",
        "CREATE TABLE mine (n INTEGER)",
        "CREATE VIEW mine AS SELECT * FROM mart_kpi",
        "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "ALTER TABLE kpi_value ADD COLUMN mine INTEGER",
        "DROP VIEW mart_kpi",
        "SET ROLE postgres",
        "COPY customer TO PROGRAM 'cat'",
    ],
)
def test_the_role_writes_and_makes_nothing(published: Bench, statement: str) -> None:
    before = published.digest(), rights(published), relations(published)
    with pytest.raises(InsufficientPrivilege):
        ask(published, statement)
    assert (published.digest(), rights(published), relations(published)) == before


def test_the_role_passes_no_right_on(published: Bench) -> None:
    before = rights(published)
    with server(published, "analyst") as connection:
        connection.execute("GRANT SELECT ON mart_kpi TO PUBLIC")  # PostgreSQL warns, and does nothing
    assert rights(published) == before


def test_nobody_logs_in_as_the_role_itself(published: Bench) -> None:
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        ask(published, "SELECT 1", user=ROLE)


def test_publishing_again_changes_no_right(published: Bench) -> None:
    before = rights(published)
    flow.publish(published.settings)
    assert rights(published) == before


@pytest.mark.parametrize(
    "given",
    [
        f"GRANT ALL ON customer_profile TO {ROLE}",
        "GRANT SELECT ON customer_profile TO PUBLIC",
        f"GRANT SELECT (full_name) ON customer_profile TO {ROLE}",
        f"GRANT INSERT ON kpi_value TO {ROLE} WITH GRANT OPTION",
        f"GRANT CREATE ON SCHEMA public TO {ROLE}",
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {ROLE}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {ROLE}",
        "REVOKE ALL ON mart_kpi FROM " + ROLE,
    ],
)
def test_rights_changed_by_hand_are_put_right_at_the_next_publication(published: Bench, given: str) -> None:
    before = rights(published)
    run(published, given)
    assert rights(published) != before
    flow.publish(published.settings)
    assert rights(published) == before


def test_a_table_made_later_is_closed_to_the_role(published: Bench) -> None:
    made = by_hand(published, ["CREATE TABLE later (n INTEGER)"], ["DROP TABLE later"])
    with made, pytest.raises(InsufficientPrivilege):
        ask(published, "SELECT * FROM later")


def test_a_table_of_somebody_elses_keeps_the_rights_that_it_gave(published: Bench) -> None:
    done = ["CREATE TABLE targets (n INTEGER)", f"GRANT SELECT ON targets TO {ROLE}"]
    with by_hand(published, done, ["DROP TABLE targets"]):
        flow.publish(published.settings)
        assert ask(published, "SELECT * FROM targets") == []


def test_a_view_of_other_columns_is_brought_back_with_its_readers(published: Bench) -> None:
    run(published, "DROP VIEW mart_order", "CREATE VIEW mart_order AS SELECT 1 AS nothing")
    flow.publish(published.settings)
    assert ask(published, "SELECT order_id FROM mart_order") == []


def test_a_view_of_ones_own_in_the_way_is_named_and_nothing_is_changed(published: Bench) -> None:
    done = [
        "DROP VIEW mart_order",
        "CREATE VIEW mart_order AS SELECT 1 AS nothing",
        "CREATE VIEW mine AS SELECT * FROM mart_order",
    ]
    with by_hand(published, done, ["DROP VIEW mine"]):
        before = rights(published)
        with pytest.raises(
            SchemaError, match="cannot drop view mart_order because other objects depend on it"
        ):
            flow.publish(published.settings)
        assert rights(published) == before


REFUSED = {
    "superuser": ([], "postgres", "postgres is a superuser"),
    "maker of roles": (["CREATE ROLE strange CREATEROLE"], "strange", "may create roles or databases"),
    "member of the owner": (
        ["CREATE ROLE strange IN ROLE postgres"],
        "strange",
        "strange belongs to postgres, which is a superuser",
    ),
    "who may become the owner": (
        ["CREATE ROLE strange NOINHERIT", "GRANT postgres TO strange"],
        "strange",
        "strange belongs to postgres, which is a superuser",
    ),
    "reader of everything": (
        ["CREATE ROLE strange IN ROLE pg_read_all_data"],
        "strange",
        "can do more than read: ALL ON TABLE alert through pg_read_all_data",
    ),
    "member of a writer": (
        ["CREATE ROLE writer", "GRANT DELETE ON kpi_value TO writer", "CREATE ROLE strange IN ROLE writer"],
        "strange",
        "ALL ON TABLE kpi_value through writer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_role_that_can_do_more_is_refused_and_nothing_is_changed(published: Bench, case: str) -> None:
    made, role, says = REFUSED[case]
    before = rights(published)
    run(published, *made)
    try:
        published.reconfigure(
            Bench.tree(STREAMS), warehouse={"url": published.settings.warehouse.url, "bi_role": role}
        )
        given = rights(published)
        with pytest.raises(ConfigError) as caught:
            flow.publish(published.settings)
        assert says in caught.value.message
        assert caught.value.value == "warehouse.bi_role"
        assert rights(published) == given
    finally:
        published.reconfigure(
            Bench.tree(STREAMS), warehouse={"url": published.settings.warehouse.url, "bi_role": ROLE}
        )
        if "writer" in str(made):
            run(published, "DROP OWNED BY writer", "DROP ROLE strange", "DROP ROLE writer")
        elif made:
            run(published, "DROP ROLE strange")
    assert rights(published) == before


def test_where_everybody_may_make_tables_the_statement_that_ends_it_is_told(published: Bench) -> None:
    with by_hand(
        published,
        ["GRANT CREATE ON SCHEMA public TO PUBLIC"],
        ["REVOKE CREATE ON SCHEMA public FROM PUBLIC"],
    ):
        with pytest.raises(ConfigError, match="can do more than read: CREATE ON SCHEMA public") as caught:
            flow.publish(published.settings)
        assert caught.value.fix is not None
        run(published, caught.value.fix.removeprefix("let an administrator run: "))
        flow.publish(published.settings)


def test_a_user_who_makes_no_roles_is_told_what_an_administrator_runs(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    url = postgresql()
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE loader LOGIN")
        administrator.execute("GRANT CREATE ON SCHEMA public TO loader")
        bench = project(tmp_path / "project", url.replace("//postgres:@", "//loader@"), "cx_readers")
        with pytest.raises(
            ConfigError, match=r"the role cx_readers does not exist.*may not create it"
        ) as caught:
            flow.publish(bench.settings)
        assert caught.value.fix == 'let an administrator run: CREATE ROLE "cx_readers" NOLOGIN'
        assert "mart_kpi" not in relations(bench), "nothing half done"
        administrator.execute(caught.value.fix.removeprefix("let an administrator run: "))
        assert READABLE > {"mart_kpi"} <= set(flow.publish(bench.settings))
        administrator.execute("SET ROLE cx_readers")
        assert administrator.execute("SELECT count(*) FROM mart_kpi").fetchall() == [(0,)]
        with pytest.raises(InsufficientPrivilege):
            administrator.execute("SELECT * FROM customer_profile")


def test_a_user_who_may_not_pass_a_right_on_is_told_what_the_role_cannot_read(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    url = postgresql()
    bench = project(tmp_path / "project", url, None)
    flow.publish(bench.settings)  # the views are its own, too
    run(
        bench,
        "CREATE ROLE helper LOGIN",
        "CREATE ROLE cx_lookers",
        "GRANT CREATE ON SCHEMA public TO helper",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO helper",
    )
    helper = {"url": url.replace("//postgres:@", "//helper@"), "bi_role": "cx_lookers"}
    bench.reconfigure(Bench.tree(STREAMS), warehouse=helper)
    with pytest.raises(
        ConfigError, match="the role cx_lookers cannot read mart_case_status_history"
    ) as caught:
        flow.publish(bench.settings)
    assert "cxflow publish --sql" in str(caught.value.fix)


def test_the_owner_of_the_tables_is_no_role_for_bi(postgresql: Callable[[], str], tmp_path: Path) -> None:
    url = postgresql()
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE keeper LOGIN")
        administrator.execute("GRANT CREATE ON SCHEMA public TO keeper")
    bench = project(tmp_path / "project", url.replace("//postgres:@", "//keeper@"), "keeper")
    with pytest.raises(
        ConfigError, match="the role keeper owns what it is to read: it cannot be the role for BI"
    ):
        flow.publish(bench.settings)
    assert bench.query("SELECT * FROM customer_profile") == []


def test_the_statements_shown_are_those_that_are_run(published: Bench) -> None:
    before = rights(published)
    run(published, f"DROP OWNED BY {ROLE}")
    assert rights(published) != before
    run(published, *flow.publication(published.settings))
    assert rights(published) == before
