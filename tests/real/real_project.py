"""A project over real data, asked at the command line as people ask it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cxflow.cli.app import app
from cxflow.warehouse.tables import CANONICAL, metadata

HERE = Path(__file__).parent
VARIABLE = "CXFLOW_REAL_DATA"

OF_A_LOAD = {"run_id", "loaded_at", "received_at"}
"""Columns that say when and by which load a row came."""

MIN_N = 10
"""Under it cxflow publishes n and no value."""

Published = dict[str, tuple[float | None, int]]
"""First day of a period (`all` for the whole time), of several KPIs behind the KPI's name, to value and n."""


def published(value: float, n: int) -> tuple[Any, int]:
    """What cxflow publishes of a value of n: too small an n has none."""
    return (pytest.approx(value) if n >= MIN_N else None, n)


@dataclass(frozen=True)
class RealProject:
    """The `cxflow.toml` of a data set in a folder of its own, beside a copy of the data it reads."""

    folder: Path

    warehouse: str
    """The URL of its database, a file's from the project's folder."""

    @classmethod
    def create(
        cls, name: str, folder: Path, source: Path, files: Iterable[str], warehouse: str
    ) -> RealProject:
        """A project in `folder`; `files` are copied from `source`, each to its own place."""
        folder.mkdir(parents=True, exist_ok=True)
        text = (HERE / name / "cxflow.toml").read_text(encoding="utf-8")
        (folder / "cxflow.toml").write_text(f'{text}\n[warehouse]\nurl = "{warehouse}"\n', encoding="utf-8")
        project = cls(folder, warehouse)
        for file in dict.fromkeys(files):
            copy = project.data / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / file, copy)
        # An empty database: DuckDB reads files, too, and its queries may group what they hold.
        duckdb.connect(str(folder / "reader.duckdb")).close()
        return project

    @property
    def is_file(self) -> bool:
        """Whether its warehouse is a file of DuckDB's."""
        return self.warehouse.startswith("duckdb")

    @property
    def data(self) -> Path:
        """The folder that CXFLOW_REAL_DATA names for this project."""
        return self.folder / "data"

    @property
    def _environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.data), "CXFLOW_REAL_READER": "duckdb:///reader.duckdb"}

    def cxflow(self, *arguments: str) -> Any:
        """What a command answers with `--json`."""
        result = CliRunner().invoke(app, self._line(arguments), env=self._environment)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def cxflow_in_a_process(self, *arguments: str) -> Any:
        """The same from the installed command, in a process of its own."""
        line = [str(Path(sys.executable).with_name("cxflow")), *self._line(arguments)]
        environment = os.environ | self._environment
        result = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def _line(self, arguments: Sequence[str]) -> list[str]:
        return ["--project", str(self.folder), *arguments, "--json"]

    def published(self, kpi: str, *options: str) -> Published:
        """A KPI's values, as `cxflow kpis` shows them."""
        found = self.cxflow("kpis", kpi, *options)
        return {each["period_start"] or "all": (each["value"], each["n"]) for each in found if each["n"]}

    def cohorts(self, kpi: str) -> Published:
        """The values of a KPI of cohorts: month and months since to value and number of customers."""
        found = self.cxflow("kpis", kpi, "--grain", "month", "--by", "months_since_first")
        return {
            f"{each['period_start']} {each['dimension_value']}": (each["value"], each["n"])
            for each in found
            if each["n"]
        }

    def all_published(self) -> Published:
        """All KPIs' values, of the whole time and of months."""
        found = [*self.cxflow("kpis", "--grain", "all"), *self.cxflow("kpis", "--grain", "month")]
        return {
            f"{each['kpi']} {each['period_start'] or 'all'}": (each["value"], each["n"]) for each in found
        }

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the warehouse answers."""
        if self.is_file:
            with duckdb.connect(str(self.folder / "warehouse.duckdb")) as warehouse:
                return warehouse.execute(sql).fetchall()
        with psycopg.connect(self.warehouse) as warehouse:
            return warehouse.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """The one row of an answer."""
        (found,) = self.rows(sql)
        return found

    def digest(self, streams: Iterable[str] = ()) -> dict[str, tuple[int, int]]:
        """Number and hash of the rows of every canonical table, customers too; of these streams, or all."""
        named = ", ".join(f"'{stream}'" for stream in streams)
        where = f"source_system || '.' || source_object IN ({named})" if named else "true"
        found = {}
        with self._in_duckdb() as warehouse:
            for name, table in CANONICAL.items():
                columns = ", ".join(column.name for column in table.columns if column.name not in OF_A_LOAD)
                (found[name],) = warehouse.execute(
                    "SELECT count(*), coalesce(sum(hash(each)::HUGEINT), 0) "
                    f"FROM (SELECT {columns} FROM {name} WHERE {where}) AS each"
                ).fetchall()
        return found

    @contextmanager
    def _in_duckdb(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse for DuckDB to read: its file, or a copy of the canonical tables of a server."""
        if self.is_file:
            with duckdb.connect(str(self.folder / "warehouse.duckdb")) as warehouse:
                yield warehouse
            return
        copy = sa.create_engine("duckdb:///:memory:", poolclass=sa.StaticPool)
        with copy.begin() as connection:
            metadata.create_all(connection, tables=CANONICAL.values())
            database: Any = connection.connection.driver_connection
            with psycopg.connect(self.warehouse) as server:
                server.execute("SET TIME ZONE 'UTC'")
                for name in CANONICAL:
                    self._copy(server, database, name)
            yield database
        copy.dispose()

    def _copy(self, server: psycopg.Connection[Any], database: duckdb.DuckDBPyConnection, name: str) -> None:
        rows = self.folder / f"{name}.csv"
        columns = ", ".join(CANONICAL[name].columns.keys())
        sql: Any = rf"COPY (SELECT {columns} FROM {name}) TO STDOUT (FORMAT csv, FORCE_QUOTE *, NULL '\N')"
        with server.cursor().copy(sql) as blocks, rows.open("wb") as file:
            for block in blocks:
                file.write(block)
        database.execute(
            f"COPY {name} ({columns}) FROM '{rows}' "
            """(FORMAT csv, HEADER false, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR '\\N', """
            "AUTO_DETECT false, PARALLEL false)"
        )
        rows.unlink()
