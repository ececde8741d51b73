"""Raw column names that SQL can tell apart and that landing gives no meaning of its own. Called by the connectors."""

from __future__ import annotations

from collections.abc import Iterable

PATH = "_cxflow_path"
"""The file that a record is from, while DuckDB reads it."""
RESERVED = ("_payload", "_row", "_origin", "_received_at", PATH)
"""Column names that landing gives a meaning."""


def unique_names(row: Iterable[object]) -> list[str]:
    """Header cells as column names that SQL can tell apart: trimmed, empty ones numbered, repeated ones (in
    whatever case) and those that landing gives a meaning with a number behind."""
    names: list[str] = []
    taken = {name.lower() for name in RESERVED}
    for position, cell in enumerate(row, start=1):
        wanted = str(cell).strip("\ufeff \t\r\n") if cell is not None else ""
        name = wanted = wanted or f"column_{position}"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names
