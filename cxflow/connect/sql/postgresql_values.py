"""How values of PostgreSQL become Python's. Imported by `postgresql` once it is connected: psycopg is an extra."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.string import TextLoader

_AS_WRITTEN = ("json", "jsonb", "uuid")
"""Parsed, a JSON number would be rounded and a JSON text lose its quotes."""


def register(driver: psycopg.Connection[Any]) -> None:
    """Have a connection's values read as they are."""
    for each in _AS_WRITTEN:
        driver.adapters.register_loader(each, TextLoader)
