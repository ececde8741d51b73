"""Secrets that stand in cxflow.toml are refused wherever they stand; what only looks like one is not."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cxflow import redaction
from cxflow.cli.app import app
from cxflow.errors import ConfigError
from cxflow.model import plain_secrets
from cxflow.settings import load

HUSH = "hush-hush-42"


@pytest.fixture(autouse=True)
def _nothing_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_spellings", set())
    monkeypatch.setattr(redaction, "_watch_logs", lambda: None)


REFUSED = {
    "warehouse.url": (
        '[warehouse]\nurl = "postgresql://cx:hush-hush-42@db/cx"',
        "set warehouse.password = { env",
    ),
    "warehouse.password": ('[warehouse]\npassword = "hush-hush-42"', "{ env"),
    "identity.salt": ('[identity]\nsalt = "hush-hush-42"', "{ env"),
    "landing.url": ('[landing]\nurl = "s3://key:hush-hush-42@bucket/x"', "landing.storage_options"),
    "landing.storage_options.secret": ('[landing.storage_options]\nsecret = "hush-hush-42"', "{ env"),
    "landing.storage_options.client_kwargs.aws_session_token": (
        '[landing.storage_options.client_kwargs]\naws_session_token = "hush-hush-42"',
        "{ env",
    ),
    "connections.shop.dsn": (
        '[connections.shop]\nconnector = "x"\ndsn = "host=db password=hush-hush-42 user=a"',
        "{ env",
    ),
    "connections.shop.auth.clientSecret": ('[connections.shop.auth]\nclientSecret = "hush-hush-42"', "{ env"),
    "connections.shop.root": (
        '[connections.shop]\nroot = "sftp://me:hush-hush-42@host/x"',
        "storage_options",
    ),
    "connections.shop.streams.a.path": (
        '[connections.shop.streams.a]\npath = ["sftp://me:hush-hush-42@host/a.csv"]',
        "storage_options",
    ),
    "connections.shop.streams.a.headers.Authorization": (
        '[connections.shop.streams.a.headers]\nAuthorization = "Bearer hush-hush-42"',
        "{ env",
    ),
}


@pytest.mark.parametrize("setting", REFUSED)
def test_a_secret_in_the_file_is_named_by_its_setting_and_never_quoted(tmp_path: Path, setting: str) -> None:
    text, way = REFUSED[setting]
    (tmp_path / "cxflow.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert f"{setting}: a " in caught.value.message
    assert "is not written here" in caught.value.message
    assert way in caught.value.message
    assert HUSH not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("command", ["lint", "doctor", "run", "run --dry-run", "status", "migrate"])
def test_every_command_refuses_it(tmp_path: Path, command: str) -> None:
    (tmp_path / "cxflow.toml").write_text(REFUSED["warehouse.url"][0])
    answer = CliRunner().invoke(app, ["--project", str(tmp_path), *command.split()])
    assert answer.exit_code == 78
    assert "warehouse.url: a URL with a password is not written here" in answer.output
    assert HUSH not in answer.output
    assert [path.name for path in tmp_path.iterdir()] == ["cxflow.toml"]


def test_all_of_them_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_text(
        "\n".join(REFUSED[name][0] for name in ("identity.salt", "landing.url"))
    )
    with pytest.raises(ConfigError, match=r"(?s)landing\.url: .*\nidentity\.salt: "):
        load(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:pw@h/d",
        "postgresql://u:p/w@h/d",
        "POSTGRESQL://u:pw@h",
        "redis://:pw@h",
        "postgresql://u:p${X}@h/d",
        "simplecache::sftp://u:pw@h/x",
        "postgresql://h/d?user=a&password=b",
        "https://h/?access_token=a",
        "mssql+pyodbc://h?odbc_connect=DRIVER=x;PWD=y",
    ],
)
def test_a_password_is_found_wherever_a_url_has_one(url: str) -> None:
    assert len(plain_secrets.lines({"connections": {"a": {"streams": {"b": {"path": url}}}}})) == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me@db/cx",
        "postgresql://me:${PW}@db/cx",
        "${DATABASE_URL}",
        "duckdb:///warehouse.duckdb",
        "s3://bucket/x:y@z/file",
        "https://host:8080/a@b",
        "http://[::1]:80/x@y",
        "sftp://me@host/exports-{date}.csv",
        "postgresql://h/d?sslmode=require",
        "https://h/?tokens=5",
    ],
)
def test_a_url_without_a_password_passes(url: str) -> None:
    assert plain_secrets.lines({"warehouse": {"url": url}, "landing": {"url": url}}) == []


SECRETS = [
    "secret",
    "key",
    "token",
    "password",
    "pwd",
    "passphrase",
    "credential",
    "credentials",
    "api_key",
    "apiKey",
    "APIKey",
    "x-api-key",
    "account_key",
    "client_secret",
    "sasToken",
    "AWS_SECRET_ACCESS_KEY",
    "connection_password",
    "Authorization",
]
NO_SECRETS = [
    "primary_key",
    "sort_key",
    "partition_key",
    "key_file",
    "key_filename",
    "keys",
    "look_back_keys",
    "token_url",
    "token_seconds",
    "password_file",
    "secret_name",
    "monkey",
    "keyword",
    "secretary",
    "tokens",
]


def options(value: Any) -> dict[str, Any]:
    return {"connections": {"a": {"connector": "x", "options": value}}}


@pytest.mark.parametrize("name", SECRETS)
def test_a_setting_that_is_named_like_a_secret_is_a_reference(name: str) -> None:
    assert len(plain_secrets.lines(options({name: HUSH}))) == 1
    assert len(plain_secrets.lines(options({name: [HUSH]}))) == 1
    for reference in ({"env": "X"}, {"file": "x"}, "${X}", "", 5, True):
        assert plain_secrets.lines(options({name: reference})) == []


@pytest.mark.parametrize("name", NO_SECRETS)
def test_a_setting_that_only_sounds_like_one_passes(name: str) -> None:
    assert plain_secrets.lines(options({name: "x"})) == []


def test_names_of_columns_connections_and_namespaces_are_no_settings() -> None:
    stream = {
        "path": "x.csv",
        "primary_key": ["token"],
        "to": {"review": {"token": "secret_word"}},
        "identifiers": {"token": "token"},
        "expect": [{"with": {"key": "x"}}],
    }
    tree = {
        "connections": {"token": {"connector": "files", "streams": {"secret": stream}}},
        "identity": {"ignore": {"api_key": ["anonymous"]}},
        "landing": {"storage_options": {"token": "anon"}},
        "kpis": {"dimensions_of": {"token": ["channel"]}},
    }
    assert plain_secrets.lines(tree) == []


def test_a_secret_from_the_environment_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXFLOW_TEST_URL", f"postgresql://cx:{HUSH}@db/cx")
    monkeypatch.setenv("CXFLOW_TEST_KEY", "another-secret")
    (tmp_path / "cxflow.toml").write_text(
        '[warehouse]\nurl = "${CXFLOW_TEST_URL}"\n[landing]\nurl = "s3://x"\n'
        'storage_options = { key = "${CXFLOW_TEST_KEY}", token = "anon" }\n'
    )
    load(tmp_path)
    assert redaction.masked(f"{HUSH} another-secret anon") == "*** *** anon"


def test_a_secret_beside_a_variable_that_is_not_set_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXFLOW_TEST_KEY", "a-secret-that-is-set")
    monkeypatch.delenv("CXFLOW_TEST_UNSET", raising=False)
    (tmp_path / "cxflow.toml").write_text(
        '[connections.shop]\nconnector = "files"\nroot = "${CXFLOW_TEST_UNSET}"\n'
        'storage_options = { key = "${CXFLOW_TEST_KEY}${CXFLOW_TEST_UNSET}", secret = "${CXFLOW_TEST_UNSET}" }\n'
    )
    load(tmp_path)
    assert redaction.masked("a-secret-that-is-set ${CXFLOW_TEST_UNSET}") == "*** ${CXFLOW_TEST_UNSET}"


def test_a_table_of_secrets_may_name_its_way_to_log_in() -> None:
    config = {"credentials": {"auth_method": "api_password", "auth_type": "Client", "client_id": "not-so"}}
    assert [
        line.partition(":")[0] for line in plain_secrets.lines({"connections": {"a": {"config": config}}})
    ] == ["connections.a.config.credentials.client_id"]
