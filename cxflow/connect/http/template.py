"""Fills the declared paths, parameters and bodies of requests: `{start:epoch}`, `{account_sid}`, `{parent.id}`.

An instant takes a format: `iso` (the default: 2026-03-01T10:15:30Z), `iso_ms`, `naive` (2026-03-01T10:15:30, in UTC),
`epoch` (seconds), `epoch_ms`, or a strftime format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

_PLACE = re.compile(r"\{([a-z_][a-z0-9_.]*)(?::([^{}]+))?\}")

Places = Mapping[str, Any]
"""Name to value: instants, and what stands for itself."""


def filled(declared: Any, places: Places) -> Any:
    """A declared value with its places filled, in all texts within it. A text that is nothing but a place becomes the
    value itself, such as a list; without a value, the parameter or key is left out.

    Raises KeyError for an unknown place.
    """
    match declared:
        case str():
            if whole := _PLACE.fullmatch(declared):
                value = places[whole[1]]
                return (
                    value if whole[2] is None and not isinstance(value, datetime) else _text(value, whole[2])
                )
            return _PLACE.sub(lambda found: str(_text(places[found[1]], found[2])), declared)
        case Mapping():
            some = {name: filled(item, places) for name, item in declared.items()}
            return {name: item for name, item in some.items() if item is not None}
        case list() | tuple():
            return [filled(item, places) for item in declared]
    return declared


def filled_path(declared: str, places: Places) -> str:
    """A declared path, its values escaped: one with a slash stays one step."""
    return _PLACE.sub(lambda found: quote(str(_text(places[found[1]], found[2])), safe=""), declared)


def names(declared: Any) -> set[str]:
    """The places in a declared value."""
    match declared:
        case str():
            return {found[1] for found in _PLACE.finditer(declared)}
        case Mapping():
            return set().union(*map(names, declared.values()))
        case list() | tuple():
            return set().union(*map(names, declared))
    return set()


def _text(value: Any, form: str | None) -> Any:
    if value is None:
        return None
    if not isinstance(value, datetime):
        return str(value)
    instant = value.astimezone(UTC)
    return _FORMS[form or "iso"](instant) if (form or "iso") in _FORMS else instant.strftime(form or "")


_FORMS: dict[str, Callable[[datetime], str]] = {
    "iso": lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}",
    "iso_ms": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
    "naive": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}",
    "epoch": lambda at: str(int(at.timestamp())),
    "epoch_ms": lambda at: str(int(at.timestamp() * 1000)),
}
