"""An invented help desk's API, and a connector for it: tests of the machinery run against both.

The desk pages tickets by token, comments by number for each ticket, and archived tickets by link. It can be told to
fail: `trouble` holds answers that are given before any other, first come first served.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cxflow import Secret, hookimpl, http

TOKEN = "desk-token-0123456789"
PAGE = 3


def ticket(number: int, day: int = 1, **more: Any) -> dict[str, Any]:
    """A ticket that changed on a day of March 2026."""
    return {
        "id": number,
        "requester": {"email": f"person{number}@example.org"},
        "created_at": "2026-03-01T08:00:00Z",
        "updated_at": f"2026-03-{day:02}T10:00:00Z",
        "status": "open",
        **more,
    }


@dataclass
class Desk:
    """What the desk holds, and what it was asked."""

    tickets: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Ticket to its comments; one without an entry is gone."""
    archived: list[dict[str, Any]] = field(default_factory=list)
    trouble: deque[Callable[[Request], Response | None]] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)
    """Path and query of each request."""

    def application(self) -> Starlette:
        """The service."""
        return Starlette(
            routes=[
                Route("/v1/tickets", self._guarded(self._tickets)),
                Route("/v1/tickets/{number:int}/comments", self._guarded(self._comments)),
                Route("/v1/archive", self._guarded(self._archive)),
            ]
        )

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.asked.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse({"error": "unauthorised"}, 401)
            if self.trouble:
                made = self.trouble.popleft()(request)
                if made is not None:
                    return made
            return answer(request)

        return endpoint

    def _tickets(self, request: Request) -> Response:
        params = request.query_params
        since, until = (
            datetime.fromisoformat(params[name]) if name in params else None for name in ("since", "until")
        )
        found = [
            each
            for each in self.tickets
            if (since is None or since <= datetime.fromisoformat(each["updated_at"]))
            and (until is None or datetime.fromisoformat(each["updated_at"]) < until)
        ]
        size, start = int(params.get("size", PAGE)), int(params.get("token", 0))
        following = start + size
        return JSONResponse(
            {
                "tickets": found[start:following],
                "count": len(found[start:following]),
                "paging": {"next": {"token": str(following)}} if following < len(found) else {},
            }
        )

    def _comments(self, request: Request) -> Response:
        number = request.path_params["number"]
        if number not in self.comments:
            return JSONResponse({"error": "not_found"}, 404)
        page = int(request.query_params.get("page", 1))
        return JSONResponse({"comments": self.comments[number][(page - 1) * 2 : page * 2]})

    def _archive(self, request: Request) -> Response:
        start = int(request.query_params.get("from", 0))
        following = start + PAGE
        link = f"{request.base_url}v1/archive?from={following}" if following < len(self.archived) else None
        return JSONResponse({"tickets": self.archived[start:following], "next": link})


class DeskConnection(http.HttpConnection):
    """Where the desk is."""

    account: str
    """The part of its address that is the company's."""
    token: Secret
    """An agent's token."""


_TO = {
    "touchpoint": {"activity": "'contacted_support'", "channel": "'web'", "occurred_at": "created_at"},
    "support_case": {"case_id": "id", "opened_at": "created_at"},
}
_MESSAGE = {"activity": "'wrote_message'", "channel": "'web'", "occurred_at": "written_at"}


class InventedDesk(http.RestConnector[DeskConnection]):
    """Tickets and their comments."""

    name: ClassVar[str] = "invented_desk"
    title: ClassVar[str] = "An invented help desk"
    base_url: ClassVar[str] = "https://{account}.desk.example"
    rates: ClassVar[tuple[http.RateLimit, ...]] = (http.RateLimit(1000, 1, burst=50),)
    errors: ClassVar[http.Errors] = http.Errors(
        code=("error",),
        rules=(
            http.Rule(
                403, http.Then.CONFIG, "missing_right", "the token lacks the right tickets:read", "add it"
            ),
            http.Rule(400, http.Then.STALE, "unknown_token"),
            http.Rule(429, http.Then.QUOTA, "daily"),
        ),
    )
    declared = (
        http.RestStream(
            name="tickets",
            primary_key=("id",),
            version="updated_at",
            deleted="status = 'archived'",
            path="/v1/tickets",
            params={"since": "{start}", "until": "{end}", "size": str(PAGE)},
            records="tickets",
            pages=http.Token(token="paging.next.token", param="token", size="size"),
            says="count",
            sweeps=(http.Call(path="/v1/archive", records="tickets", pages=http.Link(link="next")),),
            pii=("requester.email",),
            identifiers={"email": "requester.email"},
            to=_TO,
        ),
        http.RestStream(
            name="comments",
            primary_key=("id",),
            path="/v1/tickets/{parent}/comments",
            params={"page": "1"},
            records="comments",
            pages=http.PageNumber(),
            parent=http.Parent(stream="tickets", carries=("requester.email",)),
            pii=("_parent.email", "text"),
            may_lack=("text",),
            identifiers={"email": "_parent.email"},
            to={"touchpoint": {**_MESSAGE, "case_id": "_parent.key"}},
        ),
    )

    def auth(self, client: http.Client) -> http.Auth:
        """Its token."""
        return http.bearer(self.connection.token.reveal("token"))


class OldestTicket(InventedDesk):
    """The comments of the desk's first ticket: its number is looked up, its stream is named after the account."""

    name: ClassVar[str] = "oldest_ticket"

    def known_streams(self) -> Sequence[http.RestStream]:
        """One stream."""
        comments = self.declared[1].model_copy(
            update={"name": f"{self.connection.account}_comments", "parent": None}
        )
        return [
            comments.model_copy(
                update={
                    "path": "/v1/tickets/{oldest}/comments",
                    "pii": ("text",),
                    "identifiers": {},
                    "to": {"touchpoint": {**_MESSAGE, "case_id": "'1'"}},
                }
            )
        ]

    def look_up(self, client: http.Client) -> Mapping[str, Any]:
        """The ticket's number."""
        return {"oldest": client.send(http.Request("/v1/tickets", {"size": "1"})).value("tickets.0.id")}

    def completed(self, client: http.Client, stream: http.RestStream, records: list[bytes]) -> list[bytes]:
        """Comments that the desk cut off, whole."""
        return [self._whole(client, record) for record in records]

    def _whole(self, client: http.Client, record: bytes) -> bytes:
        found = json.loads(record)
        if "rest" not in found:
            return record
        more = client.send(http.Request(f"/v1/tickets/{found.pop('rest')}/comments"))
        return json.dumps({**found, "text": found["text"] + more.value("comments.0.text")}).encode()


@hookimpl
def cxflow_connectors() -> list[type[InventedDesk]]:
    """The desk, and a part of it."""
    return [InventedDesk, OldestTicket]


def configuration(address: str, **more: Any) -> dict[str, Any]:
    """A project with the desk as its one connection."""
    return {
        "plugins": ["invented_desk"],
        "connections": {
            "desk": {
                "connector": "invented_desk",
                "account": "acme",
                "token": {"env": "DESK_TOKEN"},
                "base_url": address,
                "private_network": True,
                "start": "2026-03-01",
                **more,
            }
        },
    }


def answer(status: int, body: Any = None, **headers: str) -> Callable[[Request], Response]:
    """Trouble: an answer."""
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(content, status, {"content-type": "application/json", **named})
