"""The JSON Schema of `cxflow.toml`, generated from the models of the settings and of the connectors.

The published one, `docs/cxflow.schema.json`, has the built-in connectors (`reference` writes it);
`cxflow schema` prints one with all installed connectors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from cxflow.connect import registry, templates
from cxflow.connect.connector import Connector
from cxflow.settings import Settings

_DISTRIBUTION = "cxflow-framework"
_DURATION = {"type": "string", "format": "duration"}
_NULL = {"type": "null"}
_MODE: JsonSchemaMode = "validation"


def built_in() -> dict[str, type[Connector]]:
    """The built-in connectors, by name."""
    found = registry.connectors(registry.plugins())
    return {name: connector for name, connector in found.items() if connector.distribution == _DISTRIBUTION}


def document(connectors: Mapping[str, type[Connector]]) -> dict[str, Any]:
    """The schema for projects that use these connectors."""
    models: list[type[BaseModel]] = [
        Settings,
        *(connector.connection_model for connector in connectors.values()),
        *(connector.stream_model for connector in connectors.values()),
    ]
    references, generated = models_json_schema([(model, _MODE) for model in dict.fromkeys(models)])
    definitions: dict[str, Any] = _as_toml(generated["$defs"])
    _short_form(definitions)

    def resolved(model: type[Any]) -> dict[str, Any]:
        name = references[model, _MODE]["$ref"].rsplit("/", 1)[-1]
        return dict(definitions[name])

    settings = resolved(Settings)
    variants = [_connection(each, resolved) for each in connectors.values()]
    settings["properties"] = {
        **settings["properties"],
        "connections": {"type": "object", "additionalProperties": {"anyOf": variants}},
        "templates": {
            "type": "object",
            "description": settings["properties"]["templates"].get("description", ""),
            "additionalProperties": {
                "anyOf": [_partial(_unnamed(resolved(each.stream_model))) for each in connectors.values()]
            },
        },
    }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **settings,
        "title": "cxflow.toml",
        "description": "A cxflow project: where its data comes from, what it means, and where it goes.",
    }
    whole["$defs"] = _used(whole, definitions)
    return whole


def text(schema: Mapping[str, Any]) -> str:
    """A schema as the text of the published file."""
    return json.dumps(schema, indent=2, ensure_ascii=False)


def _connection(connector: type[Connector], resolved: Any) -> dict[str, Any]:
    """A connection of one connector: its own settings, and its streams."""
    connection = resolved(connector.connection_model)
    stream = _with_template(_unnamed(resolved(connector.stream_model)))
    changes = _partial(stream)
    properties = _unnamed(connection)["properties"]
    for name in connector.connection_model.account_settings:
        properties[name] = _or_found_elsewhere(properties[name])
    properties["connector"] = {"const": connector.name, "description": connector.title}
    properties["streams"] = {
        "type": "object",
        "description": properties["streams"].get("description", ""),
        # For a stream that the connector declares, the file contains only changes.
        "properties": {
            each.name: changes | {"title": each.title or each.name} for each in connector.declared
        },
        # A template may have what a stream requires. Of a connector whose streams depend on the connection, any name
        # may be one that it knows.
        "additionalProperties": changes
        if connector.known_streams is not Connector.known_streams
        else {
            **changes,
            "anyOf": [{"required": stream.get("required", [])}, {"required": [templates.KEY]}],
        },
    }
    return {**connection, "title": f"A connection of {connector.name}", "properties": properties}


def _or_found_elsewhere(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a text that may be found where the secrets are."""
    about = {key: part for key, part in schema.items() if key in ("title", "description", "default")}
    text = {key: part for key, part in schema.items() if key not in about}
    return {**about, "anyOf": [text, {"$ref": "#/$defs/Secret"}]}


def _partial(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without required settings."""
    return {key: part for key, part in schema.items() if key != "required"}


def _with_template(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a stream, with the setting that names its template."""
    named = {"type": "string", "description": templates.MEANS}
    return {**schema, "properties": {templates.KEY: named, **schema["properties"]}}


def _unnamed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `name`, which is the key of the TOML table."""
    properties = {key: part for key, part in schema["properties"].items() if key != "name"}
    return {**schema, "properties": properties}


def _as_toml(part: Any) -> Any:
    """Adapt a schema to TOML: no nulls (unset keys are omitted), durations also in seconds, one-line descriptions."""
    if isinstance(part, list):
        return [_as_toml(item) for item in part if item != _NULL]
    if not isinstance(part, dict):
        return part
    kept = {key: _as_toml(item) for key, item in part.items() if not (key == "default" and item is None)}
    if isinstance(description := kept.get("description"), str):
        kept["description"] = " ".join(description.split())
    if kept.items() >= _DURATION.items():
        rest = {key: item for key, item in kept.items() if key not in _DURATION}
        return {**rest, "anyOf": [{"type": "number"}, _DURATION]}
    if len(only := kept.get("anyOf", ())) == 1:
        del kept["anyOf"]
        return {**only[0], **kept}
    return kept


def _short_form(definitions: dict[str, Any]) -> None:
    """In TOML, a projection has its columns beside `where` and `for_each`, and a single one needs no array."""
    projection = definitions["Projection"]
    parts = {key: part for key, part in projection["properties"].items() if key != "columns"}
    definitions["Projection"] = {
        "title": "Projection",
        "description": "Canonical column to DuckDB SQL expression over the raw columns.",
        "type": "object",
        "properties": parts,
        "additionalProperties": {"type": "string"},
    }
    one = {"$ref": "#/$defs/Projection"}
    for definition in definitions.values():
        mapping = definition.get("properties", {}).get("to")
        if mapping:
            mapping["additionalProperties"] = {"anyOf": [one, {"type": "array", "items": one}]}


def _used(whole: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions that the schema refers to, directly or not."""
    used: dict[str, Any] = {}
    waiting = _references(whole)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = definitions[name]
            waiting |= _references(definitions[name])
    return dict(sorted(used.items()))


def _references(part: Any) -> set[str]:
    if isinstance(part, dict):
        here = {part["$ref"].rsplit("/", 1)[-1]} if isinstance(part.get("$ref"), str) else set()
        return here.union(*(_references(item) for item in part.values()))
    return set().union(*(_references(item) for item in part)) if isinstance(part, list) else set()
