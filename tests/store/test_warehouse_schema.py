"""The warehouse's schema: migrations make exactly the tables of the metadata, and say where they cannot."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from cxflow.errors import SchemaError
from cxflow.settings import Settings, load
from cxflow.store import engine, schema
from cxflow.store.tables import metadata


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "cxflow.toml").write_text("")
    return load(tmp_path)


def _set_revision(settings: Settings, revision: str) -> None:
    with engine.transaction(settings) as connection:
        connection.execute(sa.text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '{revision}'"))


def _structure(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Columns, types, nullability and constraints of every table in a DuckDB file."""
    with duckdb.connect(str(path)) as database:
        columns = database.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        constraints = database.execute(
            "SELECT table_name, constraint_type, list_sort(constraint_column_names)::VARCHAR, expression "
            "FROM duckdb_constraints() ORDER BY ALL"
        ).fetchall()
    return {"columns": columns, "constraints": constraints}


def test_a_migrated_warehouse_is_what_the_metadata_says(settings: Settings, tmp_path: Path) -> None:
    schema.migrate(settings)
    with engine.transaction(settings) as connection:
        connection.execute(sa.text(f"DROP TABLE {schema.VERSION_TABLE}"))
    other = sa.create_engine(f"duckdb:///{tmp_path}/declared.duckdb")
    with other.begin() as connection:
        metadata.create_all(connection)
    other.dispose()
    migrated = _structure(tmp_path / "warehouse.duckdb")
    declared = _structure(tmp_path / "declared.duckdb")
    assert {row[0] for row in migrated["columns"]} == set(metadata.tables)
    assert migrated["columns"] == declared["columns"]
    assert migrated["constraints"] == declared["constraints"]


def test_migrating_twice_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    assert schema.migrate(settings) == (None, schema.head())
    first = _structure(tmp_path / "warehouse.duckdb")
    assert schema.migrate(settings) == (schema.head(), schema.head())
    assert _structure(tmp_path / "warehouse.duckdb") == first


def test_ensuring_makes_tables_once_and_leaves_an_old_warehouse_alone(settings: Settings) -> None:
    assert schema.ensure(settings) is True
    assert schema.ensure(settings) is False
    _set_revision(settings, "0000")
    assert schema.ensure(settings) is False
    with engine.transaction(settings) as connection:
        assert schema.current(connection) == "0000"


def test_a_current_warehouse_is_accepted(settings: Settings) -> None:
    schema.migrate(settings)
    with engine.transaction(settings) as connection:
        schema.require(connection)


def test_an_empty_warehouse_asks_for_migrate(settings: Settings) -> None:
    with engine.transaction(settings) as connection, pytest.raises(SchemaError) as caught:
        schema.require(connection)
    assert str(caught.value) == "the warehouse has no tables yet (run `cxflow migrate`)"


def test_a_version_table_without_a_version_counts_as_empty(settings: Settings) -> None:
    with engine.transaction(settings) as connection:
        connection.execute(sa.text(f"CREATE TABLE {schema.VERSION_TABLE} (version_num VARCHAR)"))
    with engine.transaction(settings) as connection, pytest.raises(SchemaError, match="no tables yet"):
        schema.require(connection)


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_warehouse_of_another_version_names_both_revisions(settings: Settings, revision: str) -> None:
    schema.migrate(settings)
    _set_revision(settings, revision)
    with engine.transaction(settings) as connection, pytest.raises(SchemaError) as caught:
        schema.require(connection)
    text = str(caught.value)
    assert f"at revision {revision}, this version of cxflow needs {schema.head()}" in text
    assert "run `cxflow migrate`; where the warehouse is newer, update cxflow" in text
    assert caught.value.value == revision


def test_migrating_a_newer_warehouse_is_refused_and_changes_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    schema.migrate(settings)
    _set_revision(settings, "9999")
    before = _structure(tmp_path / "warehouse.duckdb")
    with pytest.raises(
        SchemaError, match=r"revision 9999 is unknown to this version of cxflow \(update cxflow\)"
    ):
        schema.migrate(settings)
    assert _structure(tmp_path / "warehouse.duckdb") == before
