"""The fingerprint of a mapping: a hash of every declaration that decides what rows a raw record becomes.

Loads keep it, so that rows made by an earlier mapping are noticed (`warehouse.ledger.outdated_in`). Descriptions,
where and how often a stream is read, and the thresholds of the gate are left out: they change no row.
"""

from __future__ import annotations

import hashlib
import json

from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings

_OF_STREAM = {
    "primary_key",
    "version",
    "deleted",
    "timezone",
    "to",
    "identifiers",
    "time_formats",
    "decimal",
    "may_lack",
    "expect",
}
_OF_QUALITY = {"earliest", "future_tolerance_seconds", "minor_units"}
_OF_IDENTITY = {"store_values", "ignore", "placeholders", "weak"}


def of(settings: Settings, connection: Connection, stream: Stream) -> str:
    """The fingerprint of a stream's mapping, 16 hexadecimal characters."""
    declared = {
        "stream": stream.model_dump(mode="json", include=_OF_STREAM),
        "latest": stream.takes_latest,
        "timezone": connection.timezone,
        "currency": connection.currency or settings.project.currency,
        "country": connection.country or settings.project.country,
        "quality": settings.quality.model_dump(mode="json", include=_OF_QUALITY),
        "identity": settings.identity.model_dump(mode="json", include=_OF_IDENTITY),
    }
    if settings.reasons:
        declared["reasons"] = settings.reasons
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:16]
