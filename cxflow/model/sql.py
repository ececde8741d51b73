"""Quoting for the SQL that cxflow writes for DuckDB over raw data, where names are the source's own."""

from __future__ import annotations


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a SQL identifier, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def literals(texts: list[str] | tuple[str, ...]) -> str:
    """Texts as a SQL list."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"
