"""Templates: what streams have in common, written once in `[templates.NAME]`. Called where a connection is opened.

A stream that says `template = "NAME"` has all settings of the template, but for those that it makes itself. Tables are
merged key by key; anything else, lists included, replaces what the template has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cxflow.errors import ConfigError
from cxflow.model.names import nearest
from cxflow.settings import Settings

KEY = "template"
"""The setting of a stream that names its template."""
MEANS = "The template in `[templates]` whose settings the stream has, but for those that it makes itself."


def completed(
    templates: Mapping[str, Mapping[str, Any]], connection: str, stream: str, own: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of a stream: its `own` in the file, with those of its template.

    Raises ConfigError for a template that does not exist, with the nearest name.
    """
    name = own.get(KEY)
    own = {key: value for key, value in own.items() if key != KEY}
    if name is None:
        return own
    if not isinstance(name, str) or name not in templates:
        near = nearest(str(name), templates)
        known = ", ".join(templates) or "none is declared"
        raise ConfigError(
            f"connections.{connection}.streams.{stream}.{KEY}: there is no template {name!r}{near}",
            connection=connection,
            stream=stream,
            value=str(name),
            fix=f"templates: {known}",
        )
    return merged(templates[name], own)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, with others above them: tables are merged, anything else is replaced."""
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        are_tables = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = merged(known, value) if are_tables else value  # type: ignore[arg-type]
    return result


def of_connection(settings: Settings, connection: str) -> list[str]:
    """The names of the templates that a connection's streams name, in order."""
    return list(dict.fromkeys(_named(settings.connections[connection])))


def unused(settings: Settings) -> list[str]:
    """The templates that no stream names."""
    used = {name for table in settings.connections.values() for name in _named(table)}
    return [name for name in settings.templates if name not in used]


def _named(connection: Mapping[str, Any]) -> Iterator[str]:
    streams = connection.get("streams")
    for stream in streams.values() if isinstance(streams, Mapping) else ():
        if isinstance(stream, Mapping) and isinstance(name := stream.get(KEY), str):
            yield name
