"""What data are called, by https://openlineage.io/docs/spec/naming. Where the client has a helper, it says the same."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cxflow.model.dataset import Dataset, folder_of, of_files, of_service, of_table

SECRETS = ("pa55", "tok3n", "?", "sig=")


@pytest.mark.parametrize(
    ("place", "namespace", "name"),
    [
        ("/srv/cx/exports", "file", "/srv/cx/exports"),
        ("file:///srv/cx/exports", "file", "/srv/cx/exports"),
        ("s3://acme-landing/cx/shop", "s3://acme-landing", "cx/shop"),
        ("s3a://acme-landing", "s3://acme-landing", "/"),
        ("gcs://acme/cx", "gs://acme", "cx"),
        ("abfs://cx@acme.dfs.core.windows.net/shop", "abfss://cx@acme.dfs.core.windows.net", "shop"),
        ("sftp://reader:pa55@files.acme.example:2222/out", "sftp://files.acme.example:2222", "/out"),
        ("https://acme.example/export.csv?sig=tok3n", "https://acme.example", "/export.csv"),
        ("zip://a.csv::s3://reader:pa55@acme/x.zip", "s3://acme", "x.zip"),
    ],
)
def test_files_are_named_by_their_storage_and_path(place: str, namespace: str, name: str) -> None:
    assert of_files(place) == Dataset(namespace, name)


def test_a_container_at_azure_is_named_with_its_account() -> None:
    assert of_files("az://cx/shop", {"account_name": "acme"}) == Dataset(
        "abfss://cx@acme.dfs.core.windows.net", "shop"
    )


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("exports/reviews.csv", "exports/reviews.csv"),
        ("exports/reviews-*.csv.gz", "exports"),
        ("exports/{date}/reviews.csv", "exports"),
        ("s3://acme/cx/**/x.csv", "s3://acme/cx"),
        ("s3://acme/*.csv", "s3://acme"),
        ("/srv/[ab]/x.csv", "/srv"),
    ],
)
def test_where_a_path_has_a_wildcard_the_folder_above_it_is_named(pattern: str, folder: str) -> None:
    assert folder_of(pattern) == folder


@pytest.mark.parametrize(
    ("url", "schema", "namespace", "name"),
    [
        ("postgresql://cx:pa55@db.acme.example/cx", None, "postgres://db.acme.example:5432", "cx.public.t"),
        ("postgresql+psycopg://db:6432/cx", "crm", "postgres://db:6432", "cx.crm.t"),
        ("postgresql:///cx?host=/run/pg&port=5433", None, "postgres://localhost:5433", "cx.public.t"),
        ("postgresql://db/cx?options=-csearch_path%3Dtouch", None, "postgres://db:5432", "cx.touch.t"),
        ("mysql+pymysql://u:pa55@db/erp", None, "mysql://db:3306", "erp.t"),
        ("mssql+pyodbc://u:pa55@db/erp", None, "mssql://db:1433", "erp.dbo.t"),
        ("duckdb:////srv/cx/warehouse.duckdb", None, "duckdb:///srv/cx/warehouse.duckdb", "warehouse.main.t"),
        ("sqlite:////srv/erp.db", None, "sqlite:///srv/erp.db", "main.t"),
        ("snowflake://u:pa55@acme/cx", "s", "snowflake://acme", "cx.s.t"),
    ],
)
def test_a_table_is_named_by_server_database_and_schema(
    url: str, schema: str | None, namespace: str, name: str
) -> None:
    assert of_table(sa.make_url(url), "t", schema) == Dataset(namespace, name)


def test_the_resource_of_a_service_is_named_without_credentials_and_query() -> None:
    found = of_service("https://u:pa55@API.acme.example:8443/v2/", "/tickets.json?token=tok3n")
    assert found == Dataset("https://api.acme.example:8443", "/v2/tickets.json")
    assert not any(word in str(found) for word in SECRETS)


def test_the_clients_own_names_are_the_same() -> None:
    naming = pytest.importorskip("openlineage.client.naming.dataset")
    for ours, theirs in [
        (of_files("/srv/x"), naming.LocalFileSystem("/srv/x")),
        (of_files("s3://acme/cx/shop"), naming.S3("acme", "cx/shop")),
        (of_files("gs://acme/cx"), naming.GCS("acme", "cx")),
        (of_files("az://cx/shop", {"account_name": "acme"}), naming.ABFSS("cx", "acme", "shop")),
        (
            of_table(sa.make_url("postgresql://db/cx"), "t"),
            naming.Postgres("db", "5432", "cx", "public", "t"),
        ),
        (of_table(sa.make_url("mysql://db/cx"), "t"), naming.MySQL("db", "3306", "cx", "t")),
    ]:
        assert (ours.namespace, ours.name) == (theirs.get_namespace(), theirs.get_name())
