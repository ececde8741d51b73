"""The settings that decide how a file is read: which formats use each, and whether they changed since the last run.

Called by `stream` to refuse settings of another format, and by the connector for the cursor.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

_DELIMITED = ("csv", "tsv")
FORMATS: dict[str, tuple[str, ...]] = {
    "encoding": (*_DELIMITED, "fixed_width", "jsonl", "json"),
    "delimiter": _DELIMITED,
    "quote": _DELIMITED,
    "open_quote": _DELIMITED,
    "null_values": (*_DELIMITED, "fixed_width", "xlsx"),
    "columns": (*_DELIMITED, "xlsx"),
    "skip_rows": (*_DELIMITED, "fixed_width", "jsonl", "xlsx"),
    "sheet": ("xlsx",),
    "merged_cells": ("xlsx",),
    "records": ("json",),
    "fields": ("fixed_width",),
}
"""Setting to the formats that use it."""
_OF_ALL = ("format", "group_by", "aggregates", "group_within")


def unused(declared: Iterable[str], formats: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Declared setting to the formats that would use it, for those that none of `formats` does."""
    found = set(formats)
    return {name: FORMATS[name] for name in declared if name in FORMATS and not found & set(FORMATS[name])}


def fingerprint(stream: BaseModel) -> str:
    """A hash of a file stream's reading settings.

    Those with their default value do not count, so that a setting which a later version adds changes no hash.
    """
    changed = {}
    for name in (*_OF_ALL, *FORMATS, *(["decimal"] if _is_workbook(stream) else [])):
        default = type(stream).model_fields[name].get_default(call_default_factory=True)
        value = _plain(name, getattr(stream, name))
        if value != _plain(name, default):
            changed[name] = value
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:16]


def _is_workbook(stream: BaseModel) -> bool:
    """Whether files may be workbooks, whose typed numbers are written with the stream's decimal mark."""
    paths: Iterable[str] = getattr(stream, "paths", ())
    return getattr(stream, "format", None) == "xlsx" or any(path.lower().endswith(".xlsx") for path in paths)


def _plain(name: str, value: Any) -> Any:
    # One encoding has several names.
    return codecs.lookup(value).name if name == "encoding" else value
