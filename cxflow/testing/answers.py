"""Answers of real services, kept outside the repository, and how those of an imitation are compared with them.

Plugins' tests use it. Variables of the environment name the folders: examples by vendor (`CXFLOW_VENDOR_EXAMPLES`), and
recorded traffic among the real data (`CXFLOW_REAL_DATA`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

EXAMPLES, REAL_DATA = "CXFLOW_VENDOR_EXAMPLES", "CXFLOW_REAL_DATA"


def example(vendor: str, name: str) -> Any:
    """An example of a vendor's answers, parsed. Skips the test where the vendor's folder is missing."""
    folder = _folder(EXAMPLES, vendor)
    return json.loads((folder / name).read_text("utf-8"))


def recorded(name: str) -> Path:
    """A folder of recorded answers. Skips the test where it is missing."""
    return _folder(REAL_DATA, f"recorded/{name}")


def _folder(variable: str, name: str) -> Path:
    outside = os.environ.get(variable)
    folder = Path(outside or "").resolve() / name
    if not outside or not folder.is_dir():
        pytest.skip(f"answers of real services are kept outside the repository; {variable} says where")
    return folder


def shape(value: Any) -> dict[str, set[str]]:
    """Dotted key to the JSON types of its values. Items of a list count together, under the list's own key."""
    found: dict[str, set[str]] = {}
    _note(value, "", found)
    return found


_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", list: "array"}


def _note(value: Any, at: str, found: dict[str, set[str]]) -> None:
    if at:
        found.setdefault(at, set()).add(_TYPES.get(type(value), "object"))
    if isinstance(value, dict):
        for name, inner in value.items():
            _note(inner, f"{at}.{name}" if at else name, found)
    elif isinstance(value, list):
        for item in value:
            _note(item, at, found)


def differences(made: Any, real: Any, *own: str) -> list[str]:
    """What an imitation's answer has that real ones do not: keys, and types of a key's values.

    Keys that start with one of `own` are left out: they are an account's. A null, or an empty list, fits every type.
    """
    known = shape(real)
    found = []
    for key, types in sorted(shape(made).items()):
        if own and key.startswith(own):
            continue
        if key not in known:
            found.append(f"{key}: real answers have no such key")
            continue
        others = known[key] - {"null"}
        is_unknown = not others or (others == {"array"} and "array" in types)
        if not is_unknown and (more := types - others - {"null"}):
            found.append(f"{key}: {', '.join(sorted(more))}; in real answers {', '.join(sorted(others))}")
    return found
