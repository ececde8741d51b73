"""Who only reads holds nobody up: neither by a transaction left open nor by any lock that a login can take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from trip_bench import Bench

from cxflow import flow
from cxflow.errors import WarehouseBusyError
from cxflow.publish import views
from cxflow.validate import runner
from cxflow.warehouse.engines.postgresql import locks

ROLE = "cx_readers_of_views"
STREAMS = {
    "things": {
        "primary_key": ["id"],
        "identifiers": {"email": "mail"},
        "to": {"touchpoint": {"activity": "'made_visit'", "channel": "'web'", "occurred_at": "day"}},
    }
}


@pytest.fixture(scope="module")
def published(postgresql: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    warehouse = {"url": postgresql(), "bi_role": ROLE, "lock_timeout_seconds": 2}
    bench = Bench(tmp_path_factory.mktemp("readers"), STREAMS, warehouse=warehouse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "run", lambda *_: [])
        bench.load([visit(0)])
    bench.settle()
    bench.execute(f"CREATE ROLE dashboard LOGIN IN ROLE {ROLE}", "CREATE ROLE curious LOGIN")
    bench.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO curious")
    return bench


@pytest.fixture(autouse=True)
def _without_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: [])


def visit(number: int) -> dict[str, Any]:
    return {"id": number, "mail": f"p{number}@example.org", "day": f"2026-03-{number % 28 + 1:02}T10:00:00Z"}


@contextmanager
def session(bench: Bench, user: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
    url = bench.settings.warehouse.url.replace("//postgres:@", f"//{user}@")
    with psycopg.connect(url, application_name="the dashboards", **options) as connection:
        yield connection
        connection.rollback()


@contextmanager
def idle_reader(bench: Bench) -> Iterator[psycopg.Connection[Any]]:
    """A session that has read every view, and has not ended its transaction."""
    with session(bench, "dashboard") as reader:
        for name in views_of(bench):
            reader.execute(f"SELECT * FROM {name}").fetchall()
        yield reader


def views_of(bench: Bench) -> list[str]:
    return [name for (name,) in bench.query("SELECT viewname FROM pg_views WHERE schemaname = 'public'")]


def catalogue(bench: Bench) -> list[tuple[Any, ...]]:
    """Every view, table and schema with the transaction that has last changed it, its definition or its rights."""
    return bench.query(
        "SELECT relname, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i' "
        "UNION ALL SELECT ev_class::regclass::text, xmin::text FROM pg_rewrite "
        "WHERE ev_class IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) "
        "UNION ALL SELECT nspname, xmin::text FROM pg_namespace WHERE nspname = 'public' "
        "UNION ALL SELECT 'later', xmin::text FROM pg_default_acl ORDER BY 1, 2"
    )


def another_definition(monkeypatch: pytest.MonkeyPatch, condition: str) -> None:
    """From here on, `mart_order` is another view."""
    definitions = views.definitions
    monkeypatch.setattr(
        views,
        "definitions",
        lambda dialect, settings: {
            name: query + (f" AND {condition}" if name == "mart_order" else "")
            for name, query in definitions(dialect, settings).items()
        },
    )


def test_a_run_beside_a_reader_idle_in_transaction_completes(published: Bench) -> None:
    with idle_reader(published) as reader:
        assert published.load([visit(1)]).counts.inserted == 1
        published.settle()
        assert reader.execute("SELECT count(*) FROM mart_touchpoint").fetchall() == [(2,)]
    assert published.query("SELECT count(*) FROM pending_kpi") == [(0,)]


def test_publishing_what_is_published_changes_neither_a_view_nor_a_right(published: Bench) -> None:
    before = catalogue(published)
    assert set(flow.publish(published.settings)) == set(views_of(published))
    assert catalogue(published) == before


@pytest.mark.parametrize(
    "by_hand",
    [
        "CREATE OR REPLACE VIEW mart_order AS {} LIMIT 0",
        "ALTER VIEW mart_order RENAME COLUMN order_id TO number",
        "ALTER VIEW mart_order SET (security_invoker = true)",
        "DROP VIEW mart_order",
    ],
)
def test_a_view_that_is_another_one_is_replaced_and_no_other_is_touched(
    published: Bench, by_hand: str
) -> None:
    [(definition,)] = published.query("SELECT pg_get_viewdef('mart_order'::regclass)")
    others = [row for row in catalogue(published) if row[0] not in ("mart_order", "public")]
    published.execute(by_hand.format(definition.rstrip(";")))
    flow.publish(published.settings)
    found = published.query(
        "SELECT pg_get_viewdef(oid), reloptions FROM pg_class WHERE oid = 'mart_order'::regclass"
    )
    assert found == [(definition, None)]
    with session(published, "dashboard") as reader:
        reader.execute("SELECT order_id FROM mart_order")
    if "DROP" not in by_hand and "RENAME" not in by_hand:  # with a view go its rights
        assert [row for row in catalogue(published) if row[0] not in ("mart_order", "public")] == others


def test_a_view_to_be_replaced_waits_for_its_reader_and_then_names_the_session(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = catalogue(published)
    another_definition(monkeypatch, "true IS NOT NULL")
    with idle_reader(published) as reader:
        begun = time.monotonic()
        with pytest.raises(WarehouseBusyError) as caught:
            flow.publish(published.settings)
        assert 1 < time.monotonic() - begun < 30
        pid = reader.info.backend_pid
    assert caught.value.message == (
        f"process {pid} of the server (user dashboard, application the dashboards) has held a lock of the warehouse "
        "for 2 s"
    )
    assert f"pg_terminate_backend({pid})" in str(caught.value.fix)
    assert "warehouse.lock_timeout_seconds" in str(caught.value.fix)
    assert caught.value.exit_code == 75
    assert catalogue(published) == before, "nothing is half done"
    flow.publish(published.settings)
    assert catalogue(published) != before


def test_readers_pass_a_view_that_waits_to_be_replaced(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_TURN_SECONDS", 0.2)
    another_definition(monkeypatch, "false IS NOT NULL")
    patient = published.settings.model_copy(
        update={"warehouse": published.settings.warehouse.model_copy(update={"lock_timeout_seconds": 120})}
    )
    publishing = threading.Thread(target=flow.publish, args=(patient,))
    with idle_reader(published) as reader:
        before = catalogue(published)
        publishing.start()
        wait_for_a_waiter(published)
        with session(published, "dashboard") as other:
            other.execute("SET statement_timeout = '60s'")
            for _ in range(3):
                other.execute("SELECT * FROM mart_order")
                other.rollback()
        assert publishing.is_alive()
        assert catalogue(published) == before
        reader.commit()
        publishing.join(60)
    assert not publishing.is_alive()
    assert catalogue(published) != before


def wait_for_a_waiter(bench: Bench) -> None:
    """Until some session waits for a lock."""
    deadline = time.monotonic() + 60
    while bench.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


LOCKS = [
    f"LOCK TABLE {table} IN {mode} MODE"
    for table in ("stream_lock", "cxflow_version", "pending_kpi", "touchpoint")
    for mode in (
        "ROW SHARE",
        "ROW EXCLUSIVE",
        "SHARE UPDATE EXCLUSIVE",
        "SHARE",
        "EXCLUSIVE",
        "ACCESS EXCLUSIVE",
    )
]
LOCKS += [
    "SELECT * FROM stream_lock FOR UPDATE",
    "SELECT * FROM stream_lock FOR KEY SHARE",
    "SELECT * FROM cxflow_version FOR SHARE",
    "SELECT * FROM kpi_value FOR KEY SHARE",
    "LOCK TABLE mart_kpi IN ROW SHARE MODE",
    "INSERT INTO stream_lock VALUES ('shop', 'things')",
]


@pytest.mark.parametrize("user", ["dashboard", "curious"])
def test_a_login_that_may_only_read_can_take_no_lock_that_a_load_waits_for(
    published: Bench, user: str
) -> None:
    with session(published, user, autocommit=True) as hostile:
        for lock in LOCKS:
            hostile.execute("BEGIN")
            with pytest.raises(InsufficientPrivilege):
                hostile.execute(lock)
            hostile.execute("ROLLBACK")
        # Advisory locks are everybody's: cxflow must need none of them.
        for name in ("settling", "publishing", "migrating", "shop.things"):
            hostile.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        hostile.execute("SELECT pg_advisory_lock(n) FROM generate_series(0, 999) AS numbers (n)")
        # And what it may read it locks as a reader does.
        hostile.execute("BEGIN")
        readable = ["mart_touchpoint", "mart_kpi"]
        readable += ["stream_lock", "cxflow_version", "touchpoint"] if user == "curious" else []
        for name in readable:
            hostile.execute(f"LOCK TABLE {name} IN ACCESS SHARE MODE")
        number = {"dashboard": 10, "curious": 11}[user]
        assert published.load([visit(number)]).counts.inserted == 1
        published.settle()
        assert hostile.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (
            1004,
        )
    assert published.query("SELECT count(*) FROM pending_identity") == [(0,)]
