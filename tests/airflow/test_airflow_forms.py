"""The connection types of the plugins, as Airflow's own provider manager reads them."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest
from airflow_process import run_script

from cxflow.airflow import forms

READ = """
import json, sys
from cxflow.airflow import provider_info
before = set(sys.modules)
info = provider_info()
new = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
import airflow, jsonschema
from pathlib import Path
schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
jsonschema.validate(info, schema)
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
manager.initialize_providers_hooks()
widgets = {
    name: [widget.field_name, widget.is_sensitive, widget.field["schema"]["title"], widget.field["description"]]
    for name, widget in manager.connection_form_widgets.items() if name.startswith("extra__cxflow_")
}
kinds = [kind["connection-type"] for kind in info["connection-types"]]
hooks = {}
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
for kind in kinds:
    hook = ProvidersManagerTaskRuntime().hooks[kind]
    hooks[kind] = [hook.hook_class_name, hook.connection_type, hook.hook_name, hook.connection_testable]
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
shown = {
    each.connection_type: [sorted(each.extra_fields or ()), each.standard_fields.model_dump()]
    for each in HookMetaService.hook_meta_data() if (each.connection_type or "").startswith("cxflow_")
}
print(json.dumps({"new": new, "widgets": widgets, "hooks": hooks, "shown": shown,
                  "behaviours": {kind: manager.field_behaviours[kind] for kind in kinds}}, default=str))
"""

VENDORS = ["hubspot", "shopify", "trustpilot", "twilio", "typeform", "zendesk"]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow makes of the provider metadata."""
    found: dict[str, Any] = run_script(tmp_path_factory.mktemp("forms"), READ)
    return found


def test_every_form_is_as_its_connector_s_settings_are() -> None:
    modules = [each.module for each in importlib.metadata.entry_points(group="cxflow")]
    stale = [
        module
        for module in modules
        if (path := forms._path(module)) is not None
        and forms.text(forms.made(module)) != (path.read_text() if path.is_file() else forms.text([]))
    ]
    assert stale == [], "run `python -m cxflow.airflow.forms`"


def asked(read: dict[str, Any], *, secret: bool) -> dict[str, list[str]]:
    """The fields of each vendor's form: those that hide what is written, or those that show it."""
    found: dict[str, list[str]] = {name: [] for name in VENDORS}
    for place, (field, is_sensitive, title, description) in read["widgets"].items():
        _, kind, name = place.split("__")
        assert (field, bool(title), bool(description)) == (name, True, True)
        if is_sensitive == secret:
            found[kind.removeprefix("cxflow_")].append(name)
    return {name: sorted(fields) for name, fields in found.items()}


def test_each_vendor_has_a_type_whose_form_asks_for_its_secrets(read: dict[str, Any]) -> None:
    assert list(read["hooks"]) == [f"cxflow_{name}" for name in VENDORS]
    oauth = ["client_secret", "refresh_token"]
    assert asked(read, secret=True) == {
        "hubspot": [*oauth, "token"],
        "shopify": [*oauth, "token"],
        "trustpilot": ["api_key", "api_secret"],
        "twilio": ["secret"],
        "typeform": [*oauth, "token"],
        "zendesk": [*oauth, "token"],
    }


def test_the_form_asks_whose_account_it_is_and_does_not_insist(read: dict[str, Any]) -> None:
    assert asked(read, secret=False) == {
        "hubspot": ["base_url", "client_id"],
        "shopify": ["base_url", "client_id", "shop"],
        "trustpilot": ["base_url", "business_unit"],
        "twilio": ["account_sid", "base_url", "key_sid", "workspace"],
        "typeform": ["base_url", "client_id"],
        "zendesk": ["base_url", "client_id", "email", "subdomain"],
    }
    fields = next(kind for kind in forms.installed() if kind["connection-type"] == "cxflow_zendesk")
    assert fields["conn-fields"]["subdomain"]["schema"] == {"type": ["string", "null"]}


def test_airflow_s_form_shows_these_fields_and_hides_its_own(read: dict[str, Any]) -> None:
    fields, standard = read["shown"]["cxflow_zendesk"]
    assert fields == [
        "base_url",
        "client_id",
        "client_secret",
        "email",
        "refresh_token",
        "subdomain",
        "token",
    ]
    hidden = {name for name, behaviour in standard.items() if behaviour and behaviour["hidden"]}
    assert {"host", "port", "login", "password"} <= hidden
    assert set(read["behaviours"]["cxflow_zendesk"]["hidden_fields"]) >= {"extra", "schema"}


def test_each_type_has_a_hook_that_agrees_with_it(read: dict[str, Any]) -> None:
    assert read["hooks"]["cxflow_zendesk"] == [
        "cxflow.airflow.hooks.zendesk",
        "cxflow_zendesk",
        "cxflow: Zendesk",
        False,
    ]
    assert all(kind == hook[1] for kind, hook in read["hooks"].items())


def test_the_metadata_is_read_without_any_plugin(read: dict[str, Any]) -> None:
    loaded = set(read["new"])
    assert not [name for name in loaded if name.startswith("cxflow_")]
    assert not loaded & {
        "pydantic",
        "duckdb",
        "sqlalchemy",
        "httpx2",
        "airflow",
        "pandas",
        "numpy",
        "pyarrow",
    }
