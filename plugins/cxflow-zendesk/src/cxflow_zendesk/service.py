"""An imitation of Zendesk's API, for tests and demonstrations: written from its documentation, independent of
the connector. Needs the extra `sandbox`.

A `ZendeskService` holds records as Zendesk gives them. Its clock is `now`; exports withhold the last minute
before it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Record = dict[str, Any]
Trouble = Callable[[Request], Response | None]

EMAIL = "admin@acme.example"
TOKEN = "zendesk-api-token-0123456789"
CLIENT_ID = "cxflow"
CLIENT_SECRET = "zendesk-client-secret-0123456789"
FIRST_REFRESH_TOKEN = "zendesk-refresh-token-0"
_WITHHELD_SECONDS = 60


def epoch(text: str) -> int:
    """Seconds since 1970 of an ISO time."""
    return int(datetime.fromisoformat(text).timestamp())


@dataclass
class ZendeskService:
    """What the account holds, and what it was asked."""

    tickets: list[Record] = field(default_factory=list)
    """Each with its `metric_set`, which is given only when it is asked for."""
    users: list[Record] = field(default_factory=list)
    ticket_events: list[Record] = field(default_factory=list)
    """Each with its comments among the `child_events`; without `include=comment_events` they have no text."""
    ticket_metric_events: list[Record] = field(default_factory=list)
    satisfaction_ratings: list[Record] = field(default_factory=list)
    survey_responses: list[Record] = field(default_factory=list)
    """Each with `created_at`, which is not given."""
    calls: list[Record] = field(default_factory=list)
    legs: list[Record] = field(default_factory=list)
    page_size: int = 1000
    """The most records that a page of an export has."""
    empty_page: bool = True
    """Whether an export's second page is empty although more follow."""
    missing: frozenset[str] = frozenset()
    """What this account does not have: paths that answer 404."""
    now: datetime | None = None
    """Unset: the real time."""
    trouble: deque[Trouble] = field(default_factory=deque)
    """Answers that are given before any other, first come first served."""
    asked: list[str] = field(default_factory=list)
    """Path and query of each request."""
    tokens_granted: int = 0
    """By refreshing."""
    _access: str = "zendesk-access-token-0"
    _refresh: str = FIRST_REFRESH_TOKEN

    def application(self) -> Starlette:
        """The service."""
        answers = {
            "incremental/tickets/cursor": self._tickets,
            "incremental/users/cursor": self._users,
            "incremental/ticket_events": self._events,
            "incremental/ticket_metric_events": self._metric_events,
            "channels/voice/stats/incremental/calls": self._calls,
            "channels/voice/stats/incremental/legs": self._legs,
            "satisfaction_ratings": self._ratings,
            "guide/survey_responses": self._surveys,
            "users": self._listed_users,
        }
        return Starlette(
            routes=[
                Route("/oauth/tokens", self._grant, methods=["POST"]),
                *(
                    Route(f"/api/v2/{path}{ending}", self._guarded(answer))
                    for path, answer in answers.items()
                    for ending in ("", ".json")
                ),
            ]
        )

    @staticmethod
    def connection(url: str, **more: Any) -> dict[str, Any]:
        """The settings of a connection to it, at full speed."""
        return {
            "connector": "zendesk",
            "subdomain": "acme",
            "base_url": url,
            "private_network": True,
            "email": EMAIL,
            "token": {"env": "ZENDESK_TOKEN"},
            "requests_per_minute": 600_000,
            "exports_per_minute": 600_000,
            **more,
        }

    @staticmethod
    def oauth(url: str, **more: Any) -> dict[str, Any]:
        """The settings of a connection with a refresh token."""
        basic = ZendeskService.connection(url)
        return {
            **{name: value for name, value in basic.items() if name not in ("email", "token")},
            "client_id": CLIENT_ID,
            "client_secret": {"env": "ZENDESK_CLIENT_SECRET"},
            "refresh_token": {"env": "ZENDESK_REFRESH_TOKEN"},
            **more,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment that such a connection needs."""
        return {
            "ZENDESK_TOKEN": TOKEN,
            "ZENDESK_CLIENT_SECRET": CLIENT_SECRET,
            "ZENDESK_REFRESH_TOKEN": FIRST_REFRESH_TOKEN,
        }

    def expire(self) -> None:
        """Let the access token be good no longer."""
        self._access = "expired"

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        basic = b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()

        async def endpoint(request: Request) -> Response:
            self.asked.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            if request.headers.get("authorization") not in (f"Basic {basic}", f"Bearer {self._access}"):
                return JSONResponse({"error": "Couldn't authenticate you"}, 401)
            while self.trouble:
                made = self.trouble.popleft()(request)
                if made is not None:
                    return made
            if request.url.path in self.missing:
                return JSONResponse({"error": "InvalidEndpoint", "description": "Not found"}, 404)
            return answer(request)

        return endpoint

    async def _grant(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        known = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": self._refresh}
        wanted = {"grant_type": "refresh_token", **known}
        if any(asked.get(name) != value for name, value in wanted.items()):
            return JSONResponse({"error": "invalid_grant", "error_description": "The grant is invalid"}, 400)
        # The old pair is deleted.
        self.tokens_granted += 1
        self._access = f"zendesk-access-token-{self.tokens_granted}"
        self._refresh = f"zendesk-refresh-token-{self.tokens_granted}"
        return JSONResponse(
            {
                "access_token": self._access,
                "refresh_token": self._refresh,
                "token_type": "bearer",
                "scope": asked.get("scope", "read"),
                "expires_in": 172800,
                "refresh_token_expires_in": 2592000,
            }
        )

    @property
    def _clock(self) -> int:
        return int((self.now or datetime.now(UTC)).timestamp())

    def _start(self, request: Request, withheld: int = _WITHHELD_SECONDS) -> int | Response:
        """The start of an export, or its refusal if it is less than so many seconds ago."""
        given = request.query_params.get("start_time", "").removesuffix(".0")
        if not given.isdigit():
            return JSONResponse({"error": "BadRequest", "description": "start_time is required"}, 400)
        if int(given) > self._clock - withheld:
            says = "Too recent start_time. Use a start_time older than 60 seconds"
            return JSONResponse({"error": "StartTimeTooRecent", "description": says}, 400)
        return int(given)

    def _by_cursor(
        self, request: Request, name: str, records: Iterable[Record], time: Callable[[Record], int]
    ) -> Response:
        """A cursor is the place behind a record: its time, its id; and how many pages came before."""
        params = request.query_params
        size = min(int(params.get("per_page", self.page_size)), self.page_size)
        pages = 0
        if "cursor" in params:
            seconds, _, number, passed = b64decode(params["cursor"]).decode().split("|")
            place, pages = (int(float(seconds)), int(number)), int(passed or 0)
        else:
            start = self._start(request)
            if isinstance(start, Response):
                return start
            place = (start, -1)
        ready = sorted(
            (
                (time(each), each["id"], each)
                for each in records
                if time(each) < self._clock - _WITHHELD_SECONDS
            ),
            key=lambda each: each[:2],
        )
        found = [each for each in ready if each[:2] > place]
        page = [] if self.empty_page and pages == 1 else found[:size]
        last = page[-1][:2] if page else place
        number_of_page = str(pages + 1) if self.empty_page else ""
        cursor = b64encode(f"{last[0]}.0||{last[1]}|{number_of_page}".encode()).decode()
        onwards = {key: value for key, value in params.items() if key != "start_time"} | {"cursor": cursor}
        return JSONResponse(
            {
                name: [each for _, _, each in page],
                "after_url": str(request.url.replace(query=urlencode(sorted(onwards.items())))),
                "after_cursor": cursor,
                "before_url": None,
                "before_cursor": None,
                "end_of_stream": len(page) == len(found),
            }
        )

    def _tickets(self, request: Request) -> Response:
        scope = request.query_params.get("support_type_scope", "agent")
        has_metrics = "metric_sets" in request.query_params.get("include", "")
        tickets = [
            {name: value for name, value in each.items() if name != "metric_set" or has_metrics}
            for each in self.tickets
            if scope in ("all", each.get("support_type", "agent"))
        ]
        return self._by_cursor(request, "tickets", tickets, lambda each: int(each["generated_timestamp"]))

    def _users(self, request: Request) -> Response:
        return self._by_cursor(request, "users", self.users, lambda each: epoch(each["updated_at"]))

    def _by_time(
        self,
        request: Request,
        name: str,
        records: Iterable[Record],
        time: Callable[[Record], int],
        *,
        says_over: bool = True,
        withheld: int = _WITHHELD_SECONDS,
    ) -> Response:
        """From a second on, included. A page of several seconds may cut the last one, and the next begins
        there; one too small for its first second has all of it, and the next begins a second later.
        """
        start = self._start(request, withheld)
        if isinstance(start, Response):
            return start
        ready = sorted((each for each in records if start <= time(each) < self._clock - withheld), key=time)
        page = ready[: min(int(request.query_params.get("per_page", self.page_size)), self.page_size)]
        is_one_second = bool(page) and time(page[0]) == time(page[-1])
        if is_one_second:
            page = [each for each in ready if time(each) == time(page[0])]
        is_over = len(page) == len(ready)
        end = time(page[-1]) + (is_one_second and not is_over) if page else start
        return JSONResponse(
            {
                name: page,
                "count": len(page),
                "end_time": end,
                "next_page": str(request.url.include_query_params(start_time=end)),
                **({"end_of_stream": is_over} if says_over else {}),
            }
        )

    def _events(self, request: Request) -> Response:
        has_comments = "comment_events" in request.query_params.get("include", "")
        events = [
            {
                **each,
                "child_events": [
                    child
                    for child in each["child_events"]
                    if has_comments or child.get("event_type") != "Comment"
                ],
            }
            for each in self.ticket_events
        ]
        return self._by_time(request, "ticket_events", events, lambda each: int(each["timestamp"]))

    def _metric_events(self, request: Request) -> Response:
        # Only exports of tickets and their events withhold the last minute.
        return self._by_time(
            request,
            "ticket_metric_events",
            self.ticket_metric_events,
            lambda each: epoch(each["time"]),
            withheld=0,
        )

    def _calls(self, request: Request) -> Response:
        return self._of_talk(request, "calls", self.calls)

    def _legs(self, request: Request) -> Response:
        return self._of_talk(request, "legs", self.legs)

    def _of_talk(self, request: Request, name: str, records: list[Record]) -> Response:
        return self._by_time(request, name, records, lambda each: epoch(each["updated_at"]), says_over=False)

    def _by_number(self, request: Request, name: str, records: list[Record]) -> Response:
        """Pages of at most 100: by a cursor, which is a number here; or counted, if none is asked for."""
        params = request.query_params
        if not {"page[size]", "page[after]"} & params.keys():
            size, page = min(int(params.get("per_page", 100)), 100), int(params.get("page", 1))
            later, earlier = (str(request.url.include_query_params(page=page + step)) for step in (1, -1))
            return JSONResponse(
                {
                    name: records[(page - 1) * size : page * size],
                    "next_page": later if page * size < len(records) else None,
                    "previous_page": earlier if page > 1 else None,
                    "count": len(records),
                }
            )
        size, start = min(int(params.get("page[size]", 100)), 100), int(params.get("page[after]", 0))
        following = start + size
        has_more = following < len(records)
        link = str(request.url.include_query_params(**{"page[after]": following})) if has_more else None
        return JSONResponse(
            {
                name: records[start:following],
                "meta": {"has_more": has_more, "after_cursor": str(following), "before_cursor": None},
                "links": {"next": link, "prev": None},
            }
        )

    def _ratings(self, request: Request) -> Response:
        params = request.query_params
        start, end = int(params.get("start_time", 0)), int(params.get("end_time", self._clock))
        found = [each for each in self.satisfaction_ratings if start <= epoch(each["created_at"]) <= end]
        return self._by_number(request, "satisfaction_ratings", found)

    def _surveys(self, request: Request) -> Response:
        params = request.query_params
        start = int(params.get("filter[created_at_start]", 0))
        end = int(params.get("filter[created_at_end]", self._clock * 1000))
        found = [
            {name: value for name, value in each.items() if name != "created_at"}
            for each in sorted(self.survey_responses, key=lambda each: str(each["id"]))
            if start <= epoch(each["created_at"]) * 1000 <= end
        ]
        return self._by_number(request, "survey_responses", found)

    def _listed_users(self, request: Request) -> Response:
        role = request.query_params.get("role")
        return self._by_number(
            request,
            "users",
            [each for each in self.users if role in (None, each.get("role")) and each["active"]],
        )


def answer(status: int, body: Any = None, **headers: str) -> Trouble:
    """Trouble: an answer."""
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(content, status, {"content-type": "application/json", **named})
