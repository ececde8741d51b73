"""Answers requests in place of the network, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2

Reply = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]
"""Method, URL and body of a request to status, headers and body of its answer."""
_reply: Reply | None = None
"""Answers the clients that are made now, instead of the network."""


@contextmanager
def without_network(reply: Reply) -> Iterator[None]:
    """Clients that are made in the block are answered by a function."""
    global _reply
    before, _reply = _reply, reply
    try:
        yield
    finally:
        _reply = before


def transport() -> httpx2.BaseTransport | None:
    """What carries the requests of a client that is made now; None: the network does."""
    if (reply := _reply) is None:
        return None

    def answer(request: httpx2.Request) -> httpx2.Response:
        status, headers, body = reply(request.method, str(request.url), request.content)
        return httpx2.Response(status, headers=headers, content=body)

    return httpx2.MockTransport(answer)
