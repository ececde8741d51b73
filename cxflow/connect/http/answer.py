"""What a service answered. Only the fields that paging needs are decoded; records stay the bytes that came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from cxflow.errors import SourceError

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB]..\\u[dD][c-fC-F]..)|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL
)


class NotJsonError(Exception):
    """A body is not JSON: a login page, the error page of a proxy, an answer that was cut off."""


def legible(body: bytes, charset: str | None) -> bytes:
    """A body in UTF-8, as parsers of JSON want it. Bytes that are no text, and escapes of half a character, become
    U+FFFD: some services cut texts anywhere."""
    try:
        body.decode()
    except UnicodeDecodeError:
        try:
            body = body.decode(charset or "utf-8", "replace").encode()
        except LookupError:
            body = body.decode("utf-8", "replace").encode()
    # A single byte is found ten times as fast.
    if b"\\" not in body or (b"\\ud" not in body and b"\\uD" not in body):
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], body)


def value_of(raw: bytes, path: str) -> Any:
    """The value at a dotted path of a JSON text, decoded; None if there is none. A number counts in a list:
    `errors.0.code`. Raises NotJsonError."""
    found = _at(raw, path)
    return None if found is None else _decoded(found)


@dataclass(frozen=True)
class Answer:
    """A complete answer with a JSON body in UTF-8."""

    body: bytes
    received_at: datetime
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    def check(self) -> None:
        """Raise NotJsonError if the body is not JSON. Nothing is decoded."""
        if self._fields is None:
            _at(self.body, "")

    def value(self, path: str) -> Any:
        """The value at a dotted path of its body (`value_of`)."""
        found = self._at(path)
        return None if found is None else _decoded(found)

    def records(self, path: str, *, optional: bool = False) -> list[bytes]:
        """The items of the list at a dotted path ("": the whole answer), each as JSON text.

        A single object instead of a list is its only item; where an `optional` list is missing or null, there are none.
        Raises NotJsonError, and SourceError if something else stands there.
        """
        raw = self._at(path)
        if optional and raw in (None, b"null"):
            return []
        if raw is None or raw == b"null":
            raise SourceError(
                f"the answer has no list of records at {path!r}",
                value=path,
                fix="if the service leaves the list out where it is empty, set optional_records = true for the stream",
            )
        if raw[:1] == b"{":
            return [bytes(raw)]
        if raw[:1] != b"[":
            raise SourceError(f"the answer has no list of records at {path!r}", value=path)
        return [bytes(item) for item in _list.decode(raw)]

    def _at(self, path: str) -> bytes | memoryview | None:
        """A list of records is most of a page: it is not copied."""
        if not path or self._fields is None:
            return _at(self.body, path)
        first, _, rest = path.partition(".")
        raw = self._fields.get(first)
        return None if raw is None else _at(bytes(raw), rest) if rest else memoryview(raw)

    @cached_property
    def _fields(self) -> dict[str, msgspec.Raw] | None:
        """The fields of the body, cut apart once; None if it is no object."""
        try:
            return _object.decode(self.body)
        except msgspec.ValidationError:
            return None
        except msgspec.DecodeError:
            raise NotJsonError from None
        except RecursionError:
            raise SourceError("the answer is nested too deep") from None


def _at(body: bytes, path: str) -> bytes | None:
    found = body.strip()
    try:
        if not path:
            msgspec.json.decode(found, type=msgspec.Raw)
        for step in path.split(".") if path else ():
            if found.startswith(b"{"):
                raw = _object.decode(found).get(step)
            elif found.startswith(b"[") and step.isdigit():
                raw = dict(enumerate(_list.decode(found))).get(int(step))
            else:
                _decoded(found)
                return None
            if raw is None:
                return None
            found = bytes(raw)
    except msgspec.DecodeError:
        raise NotJsonError from None
    except RecursionError:
        raise SourceError("the answer is nested too deep") from None
    return found


def _decoded(raw: bytes | memoryview) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise NotJsonError from None
