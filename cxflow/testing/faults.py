"""A proxy with faults: an ASGI application around a service's, which lets answers go wrong on their way.

It needs nothing of the service or of the connector. `page_faults` has the faults of the answers' content.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from cxflow.errors import ConfigError, CxflowError, SourceError, TransientError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Fault = Callable[["Exchange", Send], Awaitable[None]]
"""Answers in place of the service."""

_LONG_TEXT = 80
"""Longer texts in a request's body say what is asked for, such as a GraphQL query, and not which page of it."""


class CutOffError(Exception):
    """Raised within an answer, so that the server closes the connection."""


@dataclass
class Exchange:
    """A request, and what the service would have answered."""

    path: str = "/"
    query: bytes = b""
    asked: bytes = b""
    """The request's body."""
    asked_headers: Mapping[bytes, bytes] = field(default_factory=dict)
    at: float = 0.0
    """When the request came, by the proxy's clock."""
    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    apart: frozenset[str] = frozenset()
    """The parameters by which lists are told apart."""
    before: Exchange | None = None
    """The last exchange about another page of the same list."""
    first: Exchange | None = None
    """The first exchange about the same list, if that is another."""
    receive: Receive | None = field(default=None, repr=False)
    """What comes after the request: that the client has left."""

    @property
    def key(self) -> tuple[str, bytes, bytes]:
        """What tells this request from others."""
        return self.path, self.query, self.asked

    @property
    def listing(self) -> str:
        """What requests for pages of one list have in common."""
        try:
            body = json.loads(self.asked) if self.asked else None
        except ValueError:
            body = self.asked.decode(errors="replace")
        named = [each for each in parse_qsl(self.query.decode()) if each[0] in self.apart]
        return json.dumps([self.path, named, _unpaged(body)], sort_keys=True)

    def replaced(self, document: Any) -> bytes:
        """The answer's body with another document."""
        return json.dumps(document, ensure_ascii=False).encode()


def _unpaged(body: Any) -> Any:
    """A request's body without the short values by which pages are asked for."""
    match body:
        case dict():
            return {name: _unpaged(value) for name, value in body.items() if _unpaged(value) is not None}
        case list():
            return body
        case str() if len(body) > _LONG_TEXT:
            return body
    return None


@dataclass
class FaultyProxy:
    """Stands between a connector and a service. A fault spoils each request once, so that it goes well when it is tried
    again; if it `stays`, each time."""

    application: Application
    fault: Fault | None = None
    stays: bool = False
    clock: Callable[[], float] = lambda: 0.0
    apart: frozenset[str] = frozenset()
    """The parameters whose value says which list is asked for, not which page of it."""
    most: int | None = None
    """Requests after which nothing is answered any more: a connector that goes round in circles ends here."""
    exchanges: list[Exchange] = field(default_factory=list)
    """The requests so far, with what the service answered."""
    failed: int = 0
    """How many answers were spoilt."""
    _met: set[tuple[str, bytes, bytes]] = field(default_factory=set)
    _pages: dict[str, Exchange] = field(default_factory=dict)
    _first: dict[str, Exchange] = field(default_factory=dict)

    def set(
        self,
        fault: Fault | None = None,
        *,
        stays: bool = False,
        most: int | None = None,
        apart: frozenset[str] = frozenset(),
    ) -> None:
        """Start over with another fault, or none."""
        self.fault, self.stays, self.most, self.apart, self.failed = fault, stays, most, apart, 0
        self.exchanges, self._met, self._pages, self._first = [], set(), {}, {}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        body = await _body(receive)
        met = Exchange(
            scope["path"],
            scope["query_string"],
            body,
            dict(scope["headers"]),
            self.clock(),
            apart=self.apart,
            receive=receive,
        )
        self.exchanges.append(met)
        if self.most is not None and len(self.exchanges) > self.most:
            await _answer(send, 418, b"{}", (b"content-type", b"application/json"))
            return

        async def replayed() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                met.status, met.headers = message["status"], list(message["headers"])
            else:
                met.body += message.get("body", b"")

        fault = self.fault
        await self.application(scope, replayed, keep)
        last = self._pages.get(met.listing)
        met.before = last if last is not None and last.key != met.key else last.before if last else None
        self._pages[met.listing] = met
        first = self._first.setdefault(met.listing, met)
        met.first = first if first.key != met.key else None
        if fault is None or (met.key in self._met and not self.stays):
            await passed_on(met, send)
            return
        self._met.add(met.key)
        self.failed += 1
        await fault(met, send)


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def passed_on(met: Exchange, send: Send, *, body: bytes | None = None, **headers: str) -> None:
    """The service's answer, with another body or other headers."""
    content = met.body if body is None else body
    changed = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    kept = [
        (name, value)
        for name, value in met.headers
        if name.lower() != b"content-length" and name.lower() not in changed
    ]
    length = (b"content-length", str(len(content)).encode())
    every = [*kept, *changed.items(), length]
    await send({"type": "http.response.start", "status": met.status, "headers": every})
    await send({"type": "http.response.body", "body": content})


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


def status(code: int, *headers: tuple[bytes, bytes], body: bytes = b"{}") -> Fault:
    """An answer with a status."""

    async def fault(_: Exchange, send: Send) -> None:
        await _answer(send, code, body, (b"content-type", b"application/json"), *headers)

    return fault


def _later(code: int, text: str) -> Fault:
    """A status with a `Retry-After`."""
    return status(code, (b"retry-after", text.encode()))


def _by_another_clock(ahead: timedelta) -> Fault:
    """Status 429 of a service whose clock is wrong: it asks to wait a second, until a time by its own clock."""

    async def fault(_: Exchange, send: Send) -> None:
        now = datetime.now(UTC) + ahead
        date, until = (format_datetime(at, usegmt=True).encode() for at in (now, now + timedelta(seconds=1)))
        await _answer(send, 429, b"{}", (b"date", date), (b"retry-after", until))

    return fault


def _dated(ahead: timedelta) -> Fault:
    """The answer itself, of a service whose clock is wrong."""

    async def fault(met: Exchange, send: Send) -> None:
        await passed_on(met, send, date=format_datetime(datetime.now(UTC) + ahead, usegmt=True))

    return fault


async def reset(_: Exchange, __: Send) -> None:
    """The connection ends without an answer."""
    raise CutOffError


async def hang(met: Exchange, _: Send) -> None:
    """Nothing comes, until the client gives up."""
    assert met.receive is not None
    while (await met.receive())["type"] != "http.disconnect":
        pass
    raise CutOffError


async def cut(met: Exchange, send: Send) -> None:
    """Half of the answer comes, then the connection ends."""
    await send({"type": "http.response.start", "status": met.status, "headers": met.headers})
    half = met.body[: max(len(met.body) // 2, 1)]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    raise CutOffError


async def half_json(met: Exchange, send: Send) -> None:
    """A complete answer with half of the JSON."""
    await _answer(send, 200, met.body[: len(met.body) // 2], (b"content-type", b"application/json"))


async def no_json(_: Exchange, send: Send) -> None:
    """Something that is no JSON, and says that it is."""
    await _answer(send, 200, b"{'tickets': [NaN,]}", (b"content-type", b"application/json"))


async def broken_gzip(met: Exchange, send: Send) -> None:
    """An answer that cannot be unpacked."""
    packed = gzip.compress(met.body)
    broken = packed[:10] + bytes(byte ^ 0xFF for byte in packed[10:])
    await _answer(send, 200, broken, (b"content-encoding", b"gzip"), (b"content-type", b"application/json"))


async def cut_gzip(met: Exchange, send: Send) -> None:
    """A packed answer whose end is missing."""
    packed = gzip.compress(met.body)
    half = packed[: len(packed) // 2]
    await _answer(send, 200, half, (b"content-encoding", b"gzip"), (b"content-type", b"application/json"))


async def login_page(_: Exchange, send: Send) -> None:
    """A page for people, as if all were well."""
    await _answer(send, 200, b"<html><form>Log in</form></html>", (b"content-type", b"text/html"))


def redirect(address: str) -> Fault:
    """A redirect to another host."""
    return status(302, (b"location", address.encode()))


async def echo(met: Exchange, send: Send) -> None:
    """A refusal that quotes the request, credentials included."""
    quoted = {name.decode(): value.decode() for name, value in met.asked_headers.items()}
    told = json.dumps({"error": quoted, "message": met.query.decode(), "code": met.asked.decode()}).encode()
    await _answer(send, 400, told, (b"content-type", b"application/json"))


_HOUR = timedelta(hours=1)

PASSING: dict[str, Fault] = {
    "500": status(500),
    "503 without Retry-After": status(503),
    "503 with seconds": _later(503, "0"),
    "429 without Retry-After": status(429),
    "429 with seconds": _later(429, "0"),
    "429 with a decimal number": _later(429, "0.01"),
    "429 with a date": _later(429, "Sun, 01 Mar 2026 00:00:00 GMT"),
    "429 with a date by a clock that is ahead": _by_another_clock(_HOUR),
    "429 with a date by a clock that is behind": _by_another_clock(-_HOUR),
    "429 with a negative number": _later(429, "-1"),
    "429 with a word": _later(429, "soon"),
    "429 with nothing": _later(429, ""),
    "a clock that is ahead": _dated(_HOUR),
    "a clock that is behind": _dated(-_HOUR),
    "a reset": reset,
    "half of an answer": cut,
    "half of the JSON": half_json,
    "no JSON": no_json,
    "broken gzip": broken_gzip,
    "half of the gzip": cut_gzip,
    "a login page with status 200": login_page,
}
"""Faults that pass: nothing may be lost or doubled, and the pull goes on."""


class Lasting(NamedTuple):
    """A fault that stays, and how a pull may end with it."""

    fault: Fault
    ends: tuple[type[CxflowError], ...]


_STOPS = (ConfigError, SourceError)

LASTING: dict[str, Lasting] = {
    "an unknown status": Lasting(status(418), _STOPS),
    "a revoked token": Lasting(status(401), (ConfigError,)),
    "no right": Lasting(status(403), (ConfigError,)),
    "500 each time": Lasting(status(500), (TransientError,)),
    "a pause of a day": Lasting(_later(429, "86400"), (TransientError,)),
    "a login page each time": Lasting(login_page, (TransientError, *_STOPS)),
    "a refusal that quotes the request": Lasting(echo, _STOPS),
}
"""Faults that stay: the pull ends with an error that says what to do, and nothing is loaded."""
