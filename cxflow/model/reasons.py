"""The names of contact reasons: how they are compared, and which of them are names of one."""

from __future__ import annotations

from collections.abc import Mapping


def known_as(reason: str) -> str:
    """A reason as it is compared: in lower case, with underscores for spaces and hyphens."""
    return reason.strip().lower().replace(" ", "_").replace("-", "_")


def named_once(names: Mapping[str, str]) -> dict[str, str]:
    """The names as they are compared, each with the reason that is kept.

    Raises ValueError for an empty name, for one that is kept and has another kept for it, and for one with two.
    """
    found: dict[str, str] = {}
    for name, kept in names.items():
        if not known_as(name) or not kept.strip():
            raise ValueError(f"{name!r} = {kept!r}: a name is empty")
        if found.setdefault(known_as(name), kept) != kept:
            raise ValueError(f"{name!r}: two reasons are kept for it, {found[known_as(name)]!r} and {kept!r}")
    for name, kept in names.items():
        if found.get(known_as(kept), kept) != kept:
            raise ValueError(
                f"{name!r} = {kept!r}: {kept!r} is not kept itself, but {found[known_as(kept)]!r} for it"
            )
    return found
