"""A proxy with faults: an ASGI application around a service's, which lets requests go wrong.

It needs nothing of the service or of the connector.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Fault = Callable[["Exchange", Send], Awaitable[None]]
"""Answers in place of the service."""


class CutOffError(Exception):
    """Raised within an answer, so that the server closes the connection."""


@dataclass
class Exchange:
    """What the service would have answered."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


@dataclass
class FaultyProxy:
    """Lets every `every`-th request go wrong once; the same request goes well when it is tried again."""

    application: Application
    fault: Fault
    every: int = 1
    asked: int = 0
    """How many requests came."""
    failed: int = 0
    """How many of them went wrong."""
    _met: set[tuple[str, bytes, bytes]] = field(default_factory=set)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        self.asked += 1
        asked = await _body(receive)
        answered = Exchange()

        async def replayed() -> Message:
            return {"type": "http.request", "body": asked, "more_body": False}

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.status, answered.headers = message["status"], list(message["headers"])
            else:
                answered.body += message.get("body", b"")

        key = (scope["path"], scope["query_string"], asked)
        if key in self._met or self.asked % self.every:
            await self.application(scope, replayed, send)
            return
        self._met.add(key)
        self.failed += 1
        await self.application(scope, replayed, keep)
        await self.fault(answered, send)


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


def status(code: int, *headers: tuple[bytes, bytes], body: bytes = b"{}") -> Fault:
    """An answer with a status."""

    async def fault(_: Exchange, send: Send) -> None:
        await _answer(send, code, body, (b"content-type", b"application/json"), *headers)

    return fault


async def reset(_: Exchange, __: Send) -> None:
    """The connection ends without an answer."""
    raise CutOffError


async def cut(answered: Exchange, send: Send) -> None:
    """Half of the answer comes, then the connection ends."""
    await send({"type": "http.response.start", "status": answered.status, "headers": answered.headers})
    half = answered.body[: max(len(answered.body) // 2, 1)]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    raise CutOffError


async def half_json(answered: Exchange, send: Send) -> None:
    """A complete answer with half of the JSON."""
    await _answer(send, 200, answered.body[: len(answered.body) // 2], (b"content-type", b"application/json"))


async def broken_gzip(answered: Exchange, send: Send) -> None:
    """An answer that cannot be unpacked."""
    packed = gzip.compress(answered.body)
    broken = packed[:10] + bytes(byte ^ 0xFF for byte in packed[10:])
    await _answer(send, 200, broken, (b"content-encoding", b"gzip"), (b"content-type", b"application/json"))


async def login_page(_: Exchange, send: Send) -> None:
    """A page for people, as if all were well."""
    await _answer(send, 200, b"<html><form>Log in</form></html>", (b"content-type", b"text/html"))


async def elsewhere(_: Exchange, send: Send) -> None:
    """A redirect to another host."""
    await _answer(send, 302, b"", (b"location", b"https://elsewhere.invalid/"))


PASSING: dict[str, Fault] = {
    "500": status(500),
    "503 without Retry-After": status(503),
    "429 with seconds": status(429, (b"retry-after", b"0")),
    "429 with a decimal number": status(429, (b"retry-after", b"0.01")),
    "429 with a date": status(429, (b"retry-after", b"Sun, 01 Mar 2026 00:00:00 GMT")),
    "a reset": reset,
    "half of an answer": cut,
    "half of the JSON": half_json,
    "broken gzip": broken_gzip,
    "a login page with status 200": login_page,
}
"""Faults that pass: nothing may be lost or doubled, and the pull goes on."""

LASTING: dict[str, Fault] = {
    "a redirect to another host": elsewhere,
    "an unknown status": status(418),
    "no right": status(403),
}
"""Faults that stay: the pull ends with an error that says what to do, and nothing is loaded."""
