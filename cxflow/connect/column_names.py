"""Names of raw columns: distinct, trimmed, and not reserved by the landing zone. Used by the connectors."""

from __future__ import annotations

from collections.abc import Iterable

RESERVED = (
    "_payload",
    "_row",
    "_origin",
    "_received_at",
    "_cxflow_file",
    "_landed_batch",
    "_landed_row",
    "_raw_hash",
)
"""Column names with a meaning in the landing zone."""


def unique_names(row: Iterable[object]) -> list[str]:
    """Header cells as distinct column names: trimmed, empty ones numbered; repeated (ignoring case) and reserved ones
    get a numeric suffix."""
    names: list[str] = []
    seen = {name.lower() for name in RESERVED}
    for position, cell in enumerate(row, start=1):
        wanted = trimmed(cell)
        name = wanted = wanted or f"column_{position}"
        number = 1
        while name.lower() in seen:
            number += 1
            name = f"{wanted}_{number}"
        seen.add(name.lower())
        names.append(name)
    return names


def trimmed(cell: object) -> str:
    """A header cell as a name, without the blanks around it; empty for an empty cell."""
    return str(cell).strip("\ufeff \t\r\n") if cell is not None else ""
