"""`cxflow schema`: prints the JSON Schema of cxflow.toml."""

from __future__ import annotations

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Reference")(schema)


def schema(call: Call) -> None:
    """Print the JSON Schema of cxflow.toml, with all installed connectors."""
    from cxflow.cli import json_schema
    from cxflow.connect import registry

    document = json_schema.document(registry.connectors(call.plugins))
    call.out.answer(document, json_schema.text(document))
