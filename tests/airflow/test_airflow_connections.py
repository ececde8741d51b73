"""Secrets in Airflow's connections: what is read from them outside of a task and in one, and what is said of faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow_process import TOML, Script, make_project, run_script

OUTSIDE = """
import json
from cxflow import redaction
from cxflow.errors import ConfigError
from cxflow.settings import Secret

def told(setting="token", **place):
    try:
        return Secret(**place).reveal(setting).get_secret_value()
    except ConfigError as problem:
        return [problem.message, problem.fix]

print(json.dumps({
    "password": told(airflow="desk"),
    "login": told(airflow="desk", field="login"),
    "port": told(airflow="desk", field="port"),
    "extra": told(airflow="desk", field="extra.key"),
    "of the setting": told("connections.desk.key", airflow="desk"),
    "url": told("warehouse.url", airflow="team"),
    "host": told("warehouse.url", airflow="team", field="host"),
    "no field": told(airflow="desk", field="schema"),
    "no connection": told(airflow="nobody"),
    "no object": told(airflow="odd", field="extra.key"),
    "masked": redaction.masked("no hush/hush here, nor p%40ss or p@ss"),
}))
"""

WITHOUT_AIRFLOW = """
import importlib.abc, json, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "airflow":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Absent())
from cxflow.errors import ConfigError
from cxflow.settings import Secret
try:
    Secret(airflow="desk").reveal("token")
except ConfigError as problem:
    print(json.dumps([problem.message, problem.fix]))
"""

CONNECTIONS = {
    "AIRFLOW_CONN_DESK": json.dumps(
        {
            "conn_type": "zendesk",
            "login": "bird",
            "password": "hush/hush",
            "port": 99,
            "extra": {"key": "k-1"},
        }
    ),
    "AIRFLOW_CONN_TEAM": json.dumps(
        {
            "conn_type": "postgres",
            "host": "db.acme.example",
            "port": 5433,
            "login": "cx",
            "password": "p@ss",
            "schema": "cx",
            "extra": {"sslmode": "require", "options": {"nested": 1}},
        }
    ),
    "AIRFLOW_CONN_ACCOUNT": json.dumps(
        {
            "conn_type": "cxflow_zendesk",
            "host": "acme-eu",
            "extra": {"subdomain": "acme", "email": "ada@acme.example", "token": "hush", "client_id": None},
        }
    ),
    "AIRFLOW_CONN_PASSWORD": json.dumps({"conn_type": "cxflow_zendesk", "password": "hush-hush"}),
    "AIRFLOW_CONN_ODD": json.dumps({"conn_type": "generic", "extra": "[1]"}),
}

ACCOUNT = """
import json, sys
from cxflow import sources
from cxflow.errors import ConfigError
from cxflow.settings import Settings

def opened(subdomain):
    place = {"airflow": "account"}
    desk = {"connector": "zendesk", "subdomain": subdomain, "email": place, "token": place}
    try:
        connector = sources.open_connection(Settings(connections={"desk": desk}), "desk")
    except ConfigError as problem:
        return problem.message
    return [connector.address, connector.connection.email]

print(json.dumps({
    "found": opened({"airflow": "account"}),
    "with the password alone": opened({"airflow": "password"}),
    "by its field": opened({"airflow": "account", "field": "host"}),
}))
"""

IN_A_TASK = """
import json, sys
from pathlib import Path
from cxflow.airflow.local_run import LocalAirflow
from dataclasses import asdict

airflow = LocalAirflow(Path(sys.argv[1]))
from cxflow import settings
from cxflow.warehouse import revisions
revisions.migrate(settings.load(Path(sys.argv[1])))
from airflow.models import Connection
from airflow.utils.session import create_session

missing = airflow.run("acme__shop")
with create_session() as session:
    session.add(Connection(conn_id="aviary", conn_type="generic", password="salt-of-the-aviary"))
there = airflow.run("acme__shop")
from airflow.sdk._shared.secrets_masker import _secrets_masker
print(json.dumps({
    "missing": asdict(missing), "there": asdict(there),
    "masked": _secrets_masker().redact("with salt-of-the-aviary"),
}, default=str))
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process without a task reads from connections in its environment."""
    found: dict[str, Any] = run_script(tmp_path_factory.mktemp("outside"), OUTSIDE, **CONNECTIONS)
    return found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "hush/hush"),
        ("login", "bird"),
        ("port", "99"),
        ("extra", "k-1"),
        ("of the setting", "k-1"),
        ("url", "postgresql://cx:p%40ss@db.acme.example:5433/cx?sslmode=require"),
        ("host", "db.acme.example"),
    ],
)
def test_a_connection_of_the_environment_gives_each_of_its_fields(
    outside: dict[str, Any], field: str, value: str
) -> None:
    assert outside[field] == value


def test_what_a_connection_lacks_is_named_with_the_way_to_add_it(outside: dict[str, Any]) -> None:
    assert outside["no field"] == [
        "token: the Airflow connection desk has no schema",
        "fill in this field of the connection",
    ]
    message, fix = outside["no connection"]
    assert message == "token: Airflow gives no connection nobody (AirflowNotFoundException)"
    assert "AIRFLOW_CONN_NOBODY" in fix
    assert (
        outside["no object"][0] == "token: the extra field of the Airflow connection odd is not a JSON object"
    )


def test_the_password_of_a_url_is_masked_in_each_of_its_spellings(outside: dict[str, Any]) -> None:
    assert outside["masked"] == "no *** here, nor *** or ***"


def test_whose_account_it_is_comes_from_the_form_s_fields_and_never_from_the_password(script: Script) -> None:
    found = script(ACCOUNT, **CONNECTIONS)
    assert found == {
        "found": ["https://acme.zendesk.com", "ada@acme.example"],
        "with the password alone": "connections.desk.subdomain: the Airflow connection password has no extra.subdomain",
        "by its field": ["https://acme-eu.zendesk.com", "ada@acme.example"],
    }


def test_without_airflow_the_error_says_that_it_is_not_installed(script: Script) -> None:
    message, fix = script(WITHOUT_AIRFLOW)
    assert message == "token: the secret is in an Airflow connection, and Airflow is not installed here"
    assert "cxflow-framework[airflow]" in fix


def test_a_task_reads_the_connection_from_airflow_s_database_and_airflow_masks_it(
    script: Script, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "acme")
    toml = TOML.replace(
        'primary_key = ["review_id"]\n',
        'primary_key = ["review_id"]\nidentifiers = { reviewer = "review_id" }\n',
    )
    (project / "cxflow.toml").write_text(toml + '[identity]\nsalt = { airflow = "aviary" }\n')
    found = script(IN_A_TASK, project)
    assert found["missing"]["state"] == "failed"
    assert "identity.salt: Airflow gives no connection aviary" in str(found["missing"]["failures"])
    assert found["there"]["failures"] == {}
    assert found["masked"] == "with ***"
