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


def _trimmed(cell: object) -> str:
    return str(cell).strip("\ufeff \t\r\n")


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that differ in case or in blanks around them alone, which `unique_names` would number; None if there
    are none."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(_trimmed(name).lower(), name)
        if first != name:
            return first, name
    return None


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


def differing_in_case(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two names that differ in case alone, which SQL cannot tell apart; None if there are none."""
    seen: dict[str, str] = {}
    for name in names:
        if seen.setdefault(name.lower(), name) != name:
            return seen[name.lower()], name
    return None
