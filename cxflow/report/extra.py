"""The libraries of the extra `cxflow-framework[report]`, which nothing else of cxflow needs. Called by the command
line, before anything is read."""

from __future__ import annotations

from importlib import import_module

from cxflow.errors import ConfigError

LIBRARIES = {"jinja2": "Jinja2", "vl_convert": "vl-convert"}
"""Module to library."""


def require() -> None:
    """Import them. Raises ConfigError if one is not installed."""
    for module, library in LIBRARIES.items():
        try:
            import_module(module)
        except ModuleNotFoundError as problem:
            raise ConfigError(
                f"the report needs the library {library}, which is not installed",
                value="cxflow report",
                fix="pip install 'cxflow-framework[report]'",
            ) from problem
