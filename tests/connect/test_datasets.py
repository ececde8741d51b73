"""What a connector says that its streams are read from: nothing is opened, no credential is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxflow import settings as configuration
from cxflow.connect import registry
from cxflow.connect.sql.query import tables
from cxflow.model.dataset import Dataset


def stream(place: str, source: str) -> str:
    """A stream that is read from somewhere."""
    return f"""
[connections.{place}]
{source}
primary_key = ["id"]

[connections.{place}.to.touchpoint]
activity = "'visited'"
channel = "'web'"
occurred_at = "at"
"""


QUERY = "WITH seen AS (SELECT * FROM visit WHERE mail <> 'ada@example.org') SELECT * FROM seen JOIN crm.shop USING (id)"
TOML = """
[project]
name = "acme"

[connections.drop]
connector = "files"
root = "s3://acme-drop/exports"

[connections.here]
connector = "files"

[connections.erp]
connector = "sql"
url = { env = "ERP_URL" }

[connections.old]
connector = "sql"
url = { env = "OLD_URL" }
""" + "".join(
    (
        stream("drop.streams.visits", 'path = ["visits-{date}.csv", "old/*.csv"]'),
        stream("here.streams.visits", 'path = "exports/visits.csv"'),
        stream("erp.streams.table", 'table = "crm.visit"'),
        stream("erp.streams.query", f'query = "{QUERY}"'),
        stream("old.streams.table", 'table = "visit"'),
    )
)


def test_sources_are_named_as_other_tools_name_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cxflow.toml").write_text(TOML)
    monkeypatch.setenv("ERP_URL", "postgresql://reader:pa55@erp.acme.invalid/erp")
    monkeypatch.setenv("OLD_URL", "sqlite:///old.db")
    settings = configuration.load(tmp_path)

    def found(connection: str, stream: str) -> list[Dataset]:
        connector = registry.open_connection(settings, connection)
        return connector.datasets(connector.stream(stream))

    assert found("drop", "visits") == [
        Dataset("s3://acme-drop", "exports"),
        Dataset("s3://acme-drop", "exports/old"),
    ]
    assert found("here", "visits") == [Dataset("file", str(tmp_path / "exports/visits.csv"))]
    erp = "postgres://erp.acme.invalid:5432"
    assert found("erp", "table") == [Dataset(erp, "erp.crm.visit")]
    assert set(found("erp", "query")) == {Dataset(erp, "erp.crm.shop"), Dataset(erp, "erp.public.visit")}
    assert found("old", "table") == [Dataset(f"sqlite://{tmp_path / 'old.db'}", "main.visit")]


def test_the_tables_of_a_query_that_does_not_parse_are_not_guessed() -> None:
    assert tables("SELECT FROM WHERE (", "postgresql") == []
