"""Where secrets are found: which declarations are refused, and what is said when nothing can read a place."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest
from pydantic import ValidationError

from cxflow import redaction
from cxflow.errors import ConfigError
from cxflow.model import secret
from cxflow.model.secret import Secret


class Readers:
    """Stands in for the installed entry points."""

    def load(self) -> Any:
        def read(place: str, field: str | None, setting: str) -> str:
            if place == "nobody":
                raise ConfigError(f"no {place}", fix="add it")
            return f"{place}/{field}/{setting}"

        return read


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({}, "found in one place"),
        ({"env": "TOKEN", "airflow": "desk"}, "found in one place"),
        ({"env": "TOKEN", "field": "login"}, "means nothing without airflow"),
        ({"airflow": "desk", "field": "passwort"}, "pattern"),
        ({"airflow": "desk", "field": "extra."}, "pattern"),
        ({"airflow": "a b"}, "pattern"),
    ],
)
def test_a_secret_has_one_place_and_a_field_that_exists(declared: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Secret(**declared)


def test_an_airflow_connection_is_asked_for_the_field_or_for_what_the_setting_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [Readers()])
    asked = Secret(airflow="desk").reveal("connections.desk.token").get_secret_value()
    assert asked == "desk/None/token"
    named = Secret(airflow="desk", field="extra.key").reveal("warehouse.url").get_secret_value()
    assert named == "desk/extra.key/url"
    assert redaction.masked("desk/None/token desk/extra.key/url") == "*** ***"
    with pytest.raises(ConfigError, match=r"^warehouse\.password: no nobody") as problem:
        Secret(airflow="nobody").reveal("warehouse.password")
    assert problem.value.fix == "add it"


def test_a_text_beside_secrets_is_its_own_field_and_is_not_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [Readers()])
    assert Secret(airflow="acme").text("connections.desk.subdomain") == "acme/extra.subdomain/subdomain"
    named = Secret(airflow="acme", field="login").text("connections.desk.email")
    assert redaction.masked(named) == named == "acme/login/email"
    with pytest.raises(ConfigError, match=r"^connections\.desk\.email: no nobody"):
        Secret(airflow="nobody").text("connections.desk.email")


def test_where_no_reader_is_installed_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [])
    with pytest.raises(ConfigError, match="token: secrets cannot be read from airflow") as problem:
        Secret(airflow="desk").reveal("token")
    assert "cxflow-framework[airflow]" in str(problem.value.fix)


def test_the_installed_reader_is_airflow_s() -> None:
    found = importlib.metadata.entry_points(group=secret.READERS)
    assert {each.name: each.value for each in found} == {"airflow": "cxflow.airflow.connections:secret"}
