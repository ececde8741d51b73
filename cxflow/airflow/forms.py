"""Airflow's connection forms for connectors, made from the models of their settings.

A form asks for the secrets of a connector and for the texts that say whose account it is; the rest of its settings
stays in `cxflow.toml`, where it is reviewed. It is a file beside the plugin's code, `airflow_connection.json`: Airflow
reads the forms in each of its processes, where no connector is to be imported. `python -m cxflow.airflow.forms` writes
those of all installed plugins, or of the modules named.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import json
import sys
from pathlib import Path
from typing import Any, get_args

FILE = "airflow_connection.json"
"""Beside the module of a plugin: a list of its connection types, as in Airflow's provider metadata."""
PREFIX = "cxflow_"
"""Of connection types: `zendesk` alone is another provider's."""
HOOKS = "cxflow.airflow.hooks"
_PLUGINS = "cxflow"
"""The entry point group of plugins."""
_UNUSED = ["host", "port", "login", "password", "schema", "extra"]
"""Airflow's own fields that a form does not show. Values of the form's own fields are stored in extra."""


def installed() -> list[dict[str, Any]]:
    """The connection types of the installed plugins. Imports none of them: where a package has no file, it has none."""
    found: dict[str, dict[str, Any]] = {}
    for entry_point in importlib.metadata.entry_points(group=_PLUGINS):
        path = _path(entry_point.module)
        if path is not None and path.is_file():
            for kind in json.loads(path.read_text(encoding="utf-8")):
                found[kind["connection-type"]] = kind
    return [found[name] for name in sorted(found)]


def made(module: str) -> list[dict[str, Any]]:
    """The connection types of a plugin's connectors that have something to ask for, from their settings. Imports the
    plugin."""
    from cxflow.connect.connector import Connector

    plugin = importlib.import_module(module)
    kinds = []
    brought: list[Any] = getattr(plugin, "cxflow_connectors", list)()
    for connector in sorted(brought, key=lambda each: str(each.name)):
        assert issubclass(connector, Connector)
        if fields := _fields(connector.connection_model):
            kinds.append(_kind(connector.name, connector.title, fields))
    return kinds


def text(kinds: list[dict[str, Any]]) -> str:
    """What the file says."""
    return json.dumps(kinds, indent=2, ensure_ascii=False) + "\n"


def _kind(name: str, title: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "connection-type": PREFIX + name,
        "hook-class-name": f"{HOOKS}.{name}",
        "hook-name": "cxflow: " + title.partition(":")[0],
        "ui-field-behaviour": {
            "hidden-fields": _UNUSED,
            "relabeling": {},
            "placeholders": {},
        },
        "conn-fields": fields,
    }


def _fields(model: Any) -> dict[str, Any]:
    """The account's texts and the secrets of a model of settings, as form fields. A text may stay in `cxflow.toml`: the
    form does not insist on one."""
    from cxflow.model.secret import Secret

    secrets = [
        name
        for name, field in model.model_fields.items()
        if field.annotation is Secret or Secret in get_args(field.annotation)
    ]
    found = {}
    for name in (*model.account_settings, *secrets):
        field = model.model_fields[name]
        is_secret = name in secrets
        schema: dict[str, Any] = {
            "type": "string" if is_secret and field.is_required() else ["string", "null"]
        }
        if is_secret:
            schema["format"] = "password"
        found[name] = {
            "label": name.replace("_", " ").capitalize(),
            "description": inspect.cleandoc(field.description or ""),
            "schema": schema,
        }
    return found


def _path(module: str) -> Path | None:
    """Where the form of a plugin's module is. Built-in plugins have none."""
    if module.split(".")[0] == "cxflow":
        return None
    specification = importlib.util.find_spec(module.split(".")[0])
    if specification is None or specification.origin is None:
        return None
    return Path(specification.origin).parent / FILE


def main(modules: list[str]) -> None:
    """Write the forms of plugins beside their modules; of all that are installed, if none is named."""
    found = modules or [each.module for each in importlib.metadata.entry_points(group=_PLUGINS)]
    for module in found:
        path = _path(module)
        kinds = made(module) if path is not None else []
        if path is not None and kinds:
            path.write_text(text(kinds), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
