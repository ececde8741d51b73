"""Sends one request ahead, while the page before it lands."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

from cxflow.connect.http.answer import Answer
from cxflow.connect.http.client import Client
from cxflow.connect.http.request import Request


class Ahead:
    """A thread of its own for the requests of one paging."""

    def __init__(self, client: Client, *, of_child: bool, points: float, right: str) -> None:
        self._client, self._of_child, self._points, self._right = client, of_child, points, right
        self._pool = ThreadPoolExecutor(1, "cxflow-http")
        self._sent: tuple[Request, Future[Answer]] | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def request(self, request: Request) -> None:
        """Send a request whose answer is wanted next."""
        self._sent = (
            request,
            self._pool.submit(
                copy_context().run,  # it reports progress to who listens here
                self._client.send,
                request,
                points=self._points,
                of_child=self._of_child,
                right=self._right,
            ),
        )

    def send(self, request: Request) -> Answer:
        """The answer to a request, sent ahead or now."""
        if self._sent is None or self._sent[0] is not request:
            self.request(request)
        assert self._sent
        answer, self._sent = self._sent[1].result(), None
        return answer
