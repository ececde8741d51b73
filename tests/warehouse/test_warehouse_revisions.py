"""The warehouse's schema: migrations make exactly the tables of the metadata, and say where they cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from trip_bench import NewWarehouse

from cxflow.errors import SchemaError
from cxflow.settings import Settings, load
from cxflow.warehouse import revisions, transactions
from cxflow.warehouse.tables import KEYS, VERSION_TABLE, metadata


def _settings(folder: Path, warehouse: dict[str, Any]) -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "cxflow.toml").write_text(f'[warehouse]\nurl = "{warehouse["url"]}"\n')
    return load(folder)


@pytest.fixture
def settings(tmp_path: Path, new_database: NewWarehouse) -> Settings:
    return _settings(tmp_path, new_database())


def _set_revision(settings: Settings, revision: str) -> None:
    with transactions.transaction(settings) as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))


STRUCTURE = {
    "duckdb": {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM duckdb_columns() WHERE NOT internal",
        "constraints": "SELECT table_name, constraint_type, list_sort(constraint_column_names)::VARCHAR, "
        "expression FROM duckdb_constraints()",
    },
    "postgresql": {
        "columns": "SELECT table_name, column_name, data_type, numeric_precision, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public'",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace",
        "indexes": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    },
}
"""What tells of every table's columns, types, nullability, constraints and indexes."""


def _structure(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    with transactions.transaction(settings) as connection:
        return {
            of: sorted((tuple(row) for row in connection.exec_driver_sql(sql)), key=repr)
            for of, sql in STRUCTURE[connection.dialect.name].items()
        }


def test_a_migrated_warehouse_is_what_the_metadata_says(
    settings: Settings, tmp_path: Path, new_database: NewWarehouse
) -> None:
    revisions.migrate(settings)
    with transactions.transaction(settings) as connection:
        connection.execute(sa.text(f"DROP TABLE {VERSION_TABLE}"))
    other = _settings(tmp_path / "declared", new_database())
    with transactions.transaction(other) as connection:
        metadata.create_all(connection)
    migrated, declared = _structure(settings), _structure(other)
    assert {row[0] for row in migrated["columns"]} == set(metadata.tables)
    assert migrated["columns"] == declared["columns"]
    assert migrated["constraints"] == declared["constraints"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_on_postgresql_every_key_is_unique_by_index_and_only_pending_work_may_be_there_twice(
    settings: Settings,
) -> None:
    revisions.migrate(settings)
    indexes = _structure(settings)["indexes"]
    assert {table for table, index in indexes if " UNIQUE " in index} == {*KEYS, VERSION_TABLE}
    assert set(metadata.tables) - set(KEYS) == {"pending_identity", "pending_kpi", "pending_text"}


def test_migrating_twice_changes_nothing(settings: Settings) -> None:
    assert revisions.migrate(settings) == (None, revisions.head())
    first = _structure(settings)
    assert revisions.migrate(settings) == (revisions.head(), revisions.head())
    assert _structure(settings) == first


def _downgrade(settings: Settings, revision: str) -> None:
    scripts = ScriptDirectory(str(revisions.resources() / "migrations"))
    with transactions.transaction(settings) as connection:
        opts = {
            "version_table": VERSION_TABLE,
            "fn": lambda current, _: scripts._downgrade_revs(revision, current),
        }
        context = MigrationContext.configure(connection, opts=opts)
        with Operations.context(context):
            context.run_migrations()


KILLED = """
import os, signal, sys
from pathlib import Path
from cxflow.settings import load
from cxflow.warehouse import revisions, transactions
settings = load(Path(sys.argv[1]))
dialect = transactions.database(settings).dialect
commit = dialect.do_commit
def do_commit(connection):
    commit(connection)
    os.kill(os.getpid(), signal.SIGKILL)
dialect.do_commit = do_commit
revisions.migrate(settings)
"""


@pytest.mark.parametrize("before", [None, "0001"])
def test_a_kill_right_after_the_commit_leaves_a_warehouse_that_can_be_opened(
    settings: Settings, before: str | None
) -> None:
    if before is not None:
        revisions.migrate(settings)
        _downgrade(settings, before)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(settings.folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert revisions.migrate(settings) == (revisions.head(), revisions.head())


def test_the_last_file_is_the_last_revision() -> None:
    scripts = ScriptDirectory(str(revisions.resources() / "migrations"))
    assert scripts.get_heads() == [revisions.head()]
    files = (revisions.resources() / "migrations" / "versions").glob("*.py")
    assert {path.name[:4] for path in files} == {each.revision for each in scripts.walk_revisions()}


def test_a_warehouse_of_the_first_revision_keeps_its_rows_and_becomes_what_a_new_one_is(
    settings: Settings,
) -> None:
    revisions.migrate(settings)
    whole = _structure(settings)
    _downgrade(settings, "0001")
    new = {row[:2] for row in whole["columns"]} - {row[:2] for row in _structure(settings)["columns"]}
    kpis = ("kpi_complete", "kpi_day", "kpi_day_customer", "kpi_horizon", "kpi_left_out", "kpi_status")
    tables = (
        "alert",
        "business_hours",
        "customer_history",
        "key_claim",
        *kpis,
        "profile_version",
        "record_sighting",
        "stream_snapshot",
        "survey_invitation",
        "touchpoint_judgement",
    )
    assert {column for column in new if column[0] not in tables} == {
        ("applied_settings", "settings"),
        ("applied_settings", "what"),
        ("customer", "country"),
        ("kpi_definition", "decimals"),
        ("kpi_definition", "description"),
        ("kpi_definition", "description_es"),
        ("kpi_definition", "formula_es"),
        ("kpi_definition", "settings"),
        ("kpi_definition", "slices"),
        ("kpi_definition", "title_es"),
        ("kpi_value", "cubed_deviation"),
        ("kpi_value", "customers"),
        ("kpi_value", "effective_n"),
        ("kpi_value", "interval_note"),
        ("kpi_value", "is_complete"),
        ("kpi_value", "left_out"),
        ("kpi_value", "restated_because"),
        ("kpi_value", "squared_deviation"),
        ("load_run", "mapping"),
        ("load_run", "vanished"),
        ("load_run", "withdrawn"),
        ("order_line", "quantity_delivered"),
        ("pending_kpi", "cause"),
        ("pending_text", "touchpoint_id"),
        ("quarantine", "origin"),
        ("quarantine", "raw_hash"),
        ("source_record", "batch_id"),
        ("source_record", "origin"),
        ("source_record", "raw_hash"),
        ("source_record", "row_number"),
        ("stream_lock", "source_system"),
        ("stream_lock", "source_object"),
        ("stream_state", "known_until"),
        ("stream_state", "mapping"),
        ("support_case", "opening_text"),
    }
    for name in tables:
        assert {column for table, column in new if table == name} == set(metadata.tables[name].columns.keys())
    with transactions.transaction(settings) as connection:
        connection.exec_driver_sql(
            "INSERT INTO kpi_value (kpi, version, grain, period_start, dimension, dimension_value, as_of, n, "
            "is_suppressed) VALUES ('nps', 1, 'day', '2025-03-01', '', '', '2025-03-02 00:00:00+00', 12, false)"
        )
        _insert_records(connection)
    assert revisions.migrate(settings) == ("0001", revisions.head())
    assert _structure(settings) == whole
    with transactions.transaction(settings) as connection:
        revisions.require(connection)
        assert connection.exec_driver_sql("SELECT n, squared_deviation FROM kpi_value").all() == [(12, None)]
        assert connection.exec_driver_sql("SELECT batch_id, row_number FROM source_record").all() == [
            ("run", None)
        ]
        hashes = [("email", "01234567-89ab-cdef-0123-456789abcdef")]
        for table in ("record_identity", "pending_identity"):
            query = f"SELECT namespace, CAST(identity_hash AS VARCHAR) FROM {table}"
            assert [tuple(row) for row in connection.exec_driver_sql(query)] == hashes, table
        assert connection.exec_driver_sql("SELECT count(*) FROM customer").scalar() == 0, (
            "they are named anew"
        )


def _insert_records(connection: sa.Connection) -> None:
    """A record with an identifier, and its customer."""
    day, record, hashed = (
        "'2025-03-01 00:00:00+00'",
        "'crm', 'people', '1'",
        "'" + "0123456789abcdef" * 4 + "'",
    )
    for insert in (
        f"customer (customer_id, first_seen_at, last_seen_at) VALUES ('ana', {day}, {day})",
        "customer_identity (namespace, identity_hash, customer_id, match_rule, confidence, valid_from) "
        f"VALUES ('email', {hashed}, 'ana', 'exact', 1, {day})",
        "record_identity (source_system, source_object, source_record_id, namespace, identity_hash, seen_at) "
        f"VALUES ({record}, 'email', {hashed}, {day})",
        "source_record (source_system, source_object, source_record_id, received_at, content_hash, is_deleted, "
        f"run_id) VALUES ({record}, {day}, 'x', false, 'run')",
    ):
        connection.exec_driver_sql(f"INSERT INTO {insert}")


def test_ensuring_makes_tables_once_and_leaves_an_old_warehouse_alone(settings: Settings) -> None:
    assert revisions.ensure(settings) is True
    assert revisions.ensure(settings) is False
    _set_revision(settings, "0000")
    assert revisions.ensure(settings) is False
    with transactions.transaction(settings) as connection:
        assert revisions.current(connection) == "0000"


def test_a_current_warehouse_is_accepted(settings: Settings) -> None:
    revisions.migrate(settings)
    with transactions.transaction(settings) as connection:
        revisions.require(connection)


def test_an_empty_warehouse_asks_for_migrate(settings: Settings) -> None:
    with transactions.transaction(settings) as connection, pytest.raises(SchemaError) as caught:
        revisions.require(connection)
    assert str(caught.value) == "the warehouse has no tables yet (run `cxflow migrate`)"


def test_a_version_table_without_a_version_counts_as_empty(settings: Settings) -> None:
    with transactions.transaction(settings) as connection:
        connection.execute(sa.text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR)"))
    with transactions.transaction(settings) as connection, pytest.raises(SchemaError, match="no tables yet"):
        revisions.require(connection)


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_warehouse_of_another_version_names_both_revisions(settings: Settings, revision: str) -> None:
    revisions.migrate(settings)
    _set_revision(settings, revision)
    with transactions.transaction(settings) as connection, pytest.raises(SchemaError) as caught:
        revisions.require(connection)
    text = str(caught.value)
    assert f"at revision {revision}, this version of cxflow needs {revisions.head()}" in text
    assert "run `cxflow migrate`; if the warehouse is newer, update cxflow" in text
    assert caught.value.value == revision


def test_migrating_a_newer_warehouse_is_refused_and_changes_nothing(settings: Settings) -> None:
    revisions.migrate(settings)
    _set_revision(settings, "9999")
    before = _structure(settings)
    with pytest.raises(
        SchemaError, match=r"revision 9999 is unknown to this version of cxflow \(update cxflow\)"
    ):
        revisions.migrate(settings)
    assert _structure(settings) == before
