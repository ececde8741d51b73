"""Texts that say whose account it is, found where the secrets are: `company = { airflow = "desk_acme" }`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
from cli_runner import cxflow
from pydantic import Field

from cxflow import redaction, sources
from cxflow.cli import json_schema
from cxflow.connect import http, registry
from cxflow.errors import ConfigError
from cxflow.model import secret
from cxflow.model.secret import Secret
from cxflow.model.stream import Stream
from cxflow.settings import load

KEPT: dict[str, dict[str, str]] = {"desk_acme": {"company": "acme-staging", "token": "swordfish-7002"}}
"""What the Airflow connections of these tests hold."""


class DeskConnection(http.HttpConnection):
    account_settings: ClassVar[tuple[str, ...]] = ("company", "login", "base_url")
    company: str = Field(pattern=r"^[a-z-]+$")
    """The part of its address that is the company's."""
    login: str | None = None
    """Who asks."""
    language: str = "en"
    """Of what it tells."""
    token: Secret
    """An access token."""


class Desk(http.RestConnector[DeskConnection]):
    name: ClassVar[str] = "account_desk"
    title: ClassVar[str] = "A help desk"
    base_url: ClassVar[str] = "https://{company}.desk.example"
    declared: ClassVar[tuple[Stream, ...]] = (
        http.RestStream(
            name="tickets",
            primary_key=("id",),
            path="/tickets",
            to={
                "touchpoint": {"activity": "'contacted_support'", "channel": "'web'", "occurred_at": "opened"}
            },
        ),
    )

    def auth(self, client: http.Client) -> http.Auth:
        return http.bearer(self.connection.token.reveal("token"))

    def columns(self, stream: http.RestStream, *, offline: bool = False) -> None:
        """Asks nothing: there is no such service."""


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector is installed, and Airflow's connections can be read."""

    def read(place: str, field: str | None, setting: str) -> str:
        wanted = (field or f"extra.{setting}").removeprefix("extra.")
        if wanted not in KEPT.get(place, {}):
            raise ConfigError(f"the Airflow connection {place} has no {field}", fix="fill it in")
        return KEPT[place][wanted]

    monkeypatch.setattr(secret, "_reader", lambda _: read)
    known = registry.connector
    monkeypatch.setattr(
        registry, "connector", lambda manager, name: Desk if name == Desk.name else known(manager, name)
    )


def project(folder: Path, **settings: str) -> Path:
    """A project with one desk; each setting as TOML."""
    own = {"company": '{ airflow = "desk_acme" }', "token": '{ airflow = "desk_acme" }', **settings}
    lines = "\n".join(f"{name} = {value}" for name, value in own.items())
    (folder / "cxflow.toml").write_text(f'[connections.desk]\nconnector = "account_desk"\n{lines}\n')
    return folder


def test_it_is_looked_up_when_the_source_is_asked(tmp_path: Path) -> None:
    connector = sources.open_connection(load(project(tmp_path)), "desk")
    assert connector.connection.company == "acme-staging"
    assert connector.address == "https://acme-staging.desk.example"  # type: ignore[attr-defined]


def test_it_may_be_in_the_environment_or_a_file_as_secrets_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_COMPANY", "acme")
    (tmp_path / "login").write_text("ada\n")
    settings = load(project(tmp_path, company='{ env = "DESK_COMPANY" }', login='{ file = "login" }'))
    found = sources.open_connection(settings, "desk").connection
    assert (found.company, found.login) == ("acme", "ada")


def test_it_is_not_masked_and_the_secret_beside_it_is(tmp_path: Path) -> None:
    connector = sources.open_connection(load(project(tmp_path)), "desk")
    connector.connection.token.reveal("connections.desk.token")
    assert redaction.masked("acme-staging swordfish-7002") == "acme-staging ***"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"company": '{ airflow = "desk_other" }'},
            "connections.desk.company: the Airflow connection desk_other has no extra.company",
        ),
        (
            {"login": '{ airflow = "desk_acme" }'},
            "connections.desk.login: the Airflow connection desk_acme has no extra.login",
        ),
        (
            {"company": '{ airflow = "desk_acme", field = "extra.token" }'},
            "connections.desk.company: String should match pattern",
        ),
        ({"company": '{ airlfow = "desk_acme" }'}, "connections.desk.company.airlfow: unknown setting"),
        ({"language": '{ airflow = "desk_acme" }'}, "connections.desk.language: Input should be a valid"),
        ({"timezone": '{ airflow = "desk_acme" }'}, "connections.desk.timezone: Input should be a valid"),
    ],
)
def test_what_is_wrong_is_told_with_its_setting_and_never_its_value(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as problem:
        sources.open_connection(load(project(tmp_path, **settings)), "desk")
    assert message in str(problem.value)
    assert "swordfish" not in str(problem.value)


def test_lint_needs_no_airflow_and_finds_other_faults(tmp_path: Path) -> None:
    elsewhere = '{ airflow = "desk_other" }'
    assert cxflow("lint", "--json", project=project(tmp_path, company=elsewhere)).json["ok"]
    answer = cxflow("lint", project=project(tmp_path, company=elsewhere, compny='"x"'))
    assert "connections.desk.compny: unknown setting; did you mean 'company'?" in answer.err


def test_doctor_looks_it_up_and_names_what_is_missing(tmp_path: Path) -> None:
    def said(folder: Path) -> dict[str, str]:
        found: list[dict[str, Any]] = cxflow("doctor", "--json", project=folder).json
        return {each["subject"]: each["says"] for each in found}

    assert said(project(tmp_path))["desk.tickets"] == "can be read"
    missing = said(project(tmp_path, company='{ airflow = "desk_other" }'))["desk.tickets"]
    assert missing == "connections.desk.company: the Airflow connection desk_other has no extra.company"


def test_the_schema_of_the_file_knows_it() -> None:
    schema = json_schema.document({Desk.name: Desk})
    validator = jsonschema.Draft202012Validator(schema)

    def is_valid(**settings: Any) -> bool:
        own = {"connector": Desk.name, "token": {"env": "TOKEN"}, "company": "acme", **settings}
        return bool(validator.is_valid({"connections": {"desk": own}}))

    assert is_valid()
    assert is_valid(company={"airflow": "desk_acme"}, base_url={"airflow": "desk_acme", "field": "host"})
    assert not is_valid(company="ACME")
    assert not is_valid(company={"airlfow": "desk_acme"})
    assert not is_valid(language={"airflow": "desk_acme"})
