"""A hash of the declarations that decide what a connector reads. Called by `extract`: a pull is not
resumed under other declarations."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from cxflow.connect.connector import Connector
from cxflow.model.stream import Stream
from cxflow.settings import Secret

_OF_CONFORMING = {
    "title",
    "to",
    "identifiers",
    "pii",
    "in_clear",
    "expect",
    "policies",
    "max_rejected_share",
    "max_vanished_share",
}
"""Fields of a stream that speak of what has landed."""
_OF_OTHERS = {"streams", "only", "schedule", "pool", "pool_slots", "start", "country", "currency"}
"""Fields of a connection that speak of other streams, of when and where to run, and of what has landed."""
_USER = re.compile(r"(?<=://)[^/@\s]*@")
"""Name and password in a URL."""


def fingerprint(connector: Connector, stream: Stream) -> str:
    """Of a stream's and its connection's settings. No secret goes in, so that a new password changes nothing."""
    declared = [
        _plain(connector.connection, _OF_OTHERS),
        _plain(stream, _OF_CONFORMING),
    ]
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()


def _plain(value: Any, without: set[str] | frozenset[str] = frozenset()) -> Any:
    """A setting as JSON, the same in each process and on each machine."""
    match value:
        case Secret() | SecretStr() | SecretBytes():
            return None
        case BaseModel():
            return {name: _plain(item) for name, item in value if name not in without}
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(str(_plain(item)) for item in value)
        case bool() | int() | float() | None:
            return value
        case _:
            return _USER.sub("", str(value))
