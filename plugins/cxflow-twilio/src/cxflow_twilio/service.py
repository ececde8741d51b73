"""An imitation of Twilio's API, calls and TaskRouter's events: what tests and demonstrations ask instead.

It is written from what Twilio documents, not from what the connector expects. Both of Twilio's hosts are one here.
"""

from __future__ import annotations

from base64 import b64decode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Record = dict[str, Any]
Trouble = Callable[[Request], Response | None]
"""Answers instead of the service; None: it answers itself."""

KEPT = timedelta(days=30)
"""How long TaskRouter keeps events."""
_DEFAULT_PAGE, _LARGEST_PAGE = 50, 1000
_DEFAULT_MINUTES = 15


def refusal(status: int, code: int, message: str = "") -> JSONResponse:
    """An error as Twilio words it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status)


@dataclass
class TwilioService:
    """What an account holds, and what it was asked."""

    calls: list[Record] = field(default_factory=list)
    """In any order; answers have the newest first."""
    events: list[Record] = field(default_factory=list)
    now: datetime | None = None
    """Its clock; None: the machine's."""
    trouble: deque[Trouble] = field(default_factory=deque)
    """Answers that are given before any other, first come first served."""
    asked: list[str] = field(default_factory=list)
    """Path and query of each request."""
    account_sid: str = "AC00000000000000000000000000000001"
    key_sid: str = "SK00000000000000000000000000000001"
    secret: str = "imitation-secret-0001"
    workspace: str = "WS00000000000000000000000000000001"

    def connection(self, url: str) -> dict[str, Any]:
        """The settings of a connection to it, at full speed."""
        events = {"path": f"{url}/v1/Workspaces/{{workspace}}/Events"}
        return {
            "connector": "twilio",
            "base_url": url,
            "private_network": True,
            "account_sid": self.account_sid,
            "key_sid": self.key_sid,
            "secret": {"env": "TWILIO_SECRET"},
            "workspace": self.workspace,
            "requests_per_second": 10_000,
            "streams": {"events": events, "tasks": dict(events)},
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment that such a connection needs."""
        return {"TWILIO_SECRET": self.secret}

    def application(self) -> Starlette:
        """The service."""
        return Starlette(
            routes=[
                Route("/2010-04-01/Accounts/{account}/Calls.json", self._guarded(self._calls)),
                Route("/v1/Workspaces/{workspace}/Events", self._guarded(self._events)),
            ]
        )

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.asked.append(f"{request.url.path}?{request.url.query}")
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            if scheme != "Basic" or b64decode(given).decode() != f"{self.key_sid}:{self.secret}":
                return refusal(401, 20003, "Authenticate")
            while self.trouble:
                if (made := self.trouble.popleft()(request)) is not None:
                    return made
            mine = (self.account_sid, self.workspace)
            if not set(request.path_params.values()) <= set(mine):
                return refusal(404, 20404, "The requested resource was not found")
            return answer(request)

        return endpoint

    def _calls(self, request: Request) -> Response:
        params = request.query_params
        found = sorted(self.calls, key=_started, reverse=True)
        # Of a time, only its day counts.
        if day := params.get("StartTime>", "")[:10]:
            found = [call for call in found if f"{_started(call):%Y-%m-%d}" >= day]
        if day := params.get("StartTime<", "")[:10]:
            found = [call for call in found if f"{_started(call):%Y-%m-%d}" < day]
        size = min(int(params.get("PageSize", _DEFAULT_PAGE)), _LARGEST_PAGE)
        # The token names the last call of the page before: a new call moves none to another page.
        sids = [call["sid"] for call in found]
        start = sids.index(params["PageToken"]) + 1 if "PageToken" in params else 0
        page, number = found[start : start + size], int(params.get("Page", 0))
        kept = {name: value for name, value in params.items() if name.startswith("StartTime")}

        def uri(turn: int, **token: str) -> str:
            return f"{request.url.path}?{urlencode({**kept, 'PageSize': size, 'Page': turn, **token})}"

        has_more = start + size < len(found)
        return JSONResponse(
            {
                "calls": page,
                "page": number,
                "page_size": size,
                "start": start,
                "end": start + len(page) - 1,
                "uri": uri(number),
                "first_page_uri": uri(0),
                "next_page_uri": uri(number + 1, PageToken=page[-1]["sid"]) if has_more else None,
                "previous_page_uri": None,
            }
        )

    def _events(self, request: Request) -> Response:
        params = request.query_params
        now = self.now or datetime.now(UTC)
        found = [event for event in self.events if _at(event) > now - KEPT]
        if "Page" in params or "PageToken" in params:
            return refusal(400, 20001, "Page is not supported")
        if "TaskSid" in params:
            found = [
                each for each in found if (each["event_data"] or {}).get("task_sid") == params["TaskSid"]
            ]
        if "StartDate" in params or "EndDate" in params:
            start, end = params.get("StartDate"), params.get("EndDate")
            found = [
                each for each in found if start is None or datetime.fromisoformat(start) <= _second(each)
            ]
            found = [each for each in found if end is None or _second(each) <= datetime.fromisoformat(end)]
        else:
            ago = timedelta(minutes=int(params.get("Minutes", _DEFAULT_MINUTES)))
            found = [event for event in found if _at(event) >= now - ago]
        size = min(int(params.get("PageSize", _DEFAULT_PAGE)), _LARGEST_PAGE)
        newest_first = sorted(found, key=_at, reverse=True)
        meta = {"key": "events", "page": 0, "page_size": size, "url": str(request.url)}
        links = {"first_page_url": str(request.url), "next_page_url": None, "previous_page_url": None}
        return JSONResponse({"events": newest_first[:size], "meta": {**meta, **links}})


def _started(call: Record) -> datetime:
    return parsedate_to_datetime(call["start_time"] or call["date_created"])


def _at(event: Record) -> datetime:
    return datetime.fromtimestamp(event["event_date_ms"] / 1000, UTC)


def _second(event: Record) -> datetime:
    """Its time as it is written, in whole seconds."""
    return _at(event).replace(microsecond=0)
