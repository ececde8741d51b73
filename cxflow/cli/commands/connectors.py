"""`cxflow connectors`: lists the connectors, or the settings of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.output import table
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cxflow.connect.connector import Connector


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Reference")(connectors)


def connectors(
    call: Call,
    name: Annotated[
        str | None, typer.Argument(help="Show the settings and streams of this connector.")
    ] = None,
) -> None:
    """List the connectors, or the settings and streams of one."""
    from cxflow.connect import registry
    from cxflow.settings import nearest

    known = registry.connectors(call.plugins)
    if name is not None:
        if name not in known:
            raise ConfigError(f"there is no connector {name!r}{nearest(name, known)}", value=name)
        _describe(call, known[name])
        return
    rows = [(each.name, each.version(), each.title) for each in known.values()]
    columns = ("connector", "version", "title")
    data = [dict(zip(("name", "version", "title"), row, strict=True)) for row in rows]
    call.out.answer(data, table("Connectors", columns, rows))


def _describe(call: Call, connector: type[Connector]) -> None:
    from cxflow.connect import templates

    connection = settings_of(connector.connection_model)
    named = {"setting": templates.KEY, "default": "", "means": templates.MEANS}
    stream = [named, *settings_of(connector.stream_model)]
    declared = [
        {"name": each.name, "title": each.title, "fills": list(each.to)} for each in connector.declared
    ]
    columns = ("setting", "default", "means")
    parts: list[Any] = [
        f"{connector.name} {connector.version()}: {connector.title}",
        table("[connections.NAME]", columns, [list(each.values()) for each in connection]),
        table("[connections.NAME.streams.NAME]", columns, [list(each.values()) for each in stream]),
    ]
    if declared:
        rows = [(each["name"], each["title"], ", ".join(each["fills"])) for each in declared]
        parts.append(table("Built-in streams", ("stream", "title", "fills"), rows))
    data = {
        "name": connector.name,
        "version": connector.version(),
        "title": connector.title,
        "connection": connection,
        "stream": stream,
        "streams": declared,
    }
    call.out.answer(data, *parts)


def settings_of(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The settings of a model: name, default as in TOML, description. A required one has no default."""
    from pydantic_core import PydanticUndefined

    found = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name == "name":  # the TOML table's own name
            continue
        found.append(
            {
                "setting": field.alias or name,
                "default": "required" if default is PydanticUndefined else _toml(default),
                "means": " ".join((field.description or "").split()),
            }
        )
    return found


def _toml(value: Any) -> str:
    """A default value as TOML; empty if there is none."""
    from datetime import timedelta

    from pydantic import BaseModel

    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, str):
        return "'\"'" if value == '"' else f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return str(value)
