"""An imitation of Typeform's API, for tests and demonstrations: written from its documentation, independent
of the connector. Needs the extra `sandbox`.

A `TypeformService` holds forms as their definitions, and the responses of each form.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Record = dict[str, Any]
Trouble = Callable[[Request], Response | None]

TOKEN = "typeform-personal-token-0123456789"
CLIENT_ID = "cxflow"
CLIENT_SECRET = "typeform-client-secret-0123456789"
FIRST_REFRESH_TOKEN = "typeform-refresh-token-0"
_TIMES = {"completed": "submitted_at", "partial": "staged_at", "started": "landed_at"}


@dataclass
class TypeformService:
    """What the account holds, and what it was asked."""

    forms: list[Record] = field(default_factory=list)
    """Definitions, each with `last_updated_at`."""
    responses: dict[str, list[Record]] = field(default_factory=dict)
    """Form to its responses of all types, each with `staged_at` if it is partial."""
    deleted: set[str] = field(default_factory=set)
    """Forms that are listed, and gone when they are asked for."""
    page_size: int = 1000
    """The most responses that a page has."""
    gives_staged_at: bool = False
    trouble: deque[Trouble] = field(default_factory=deque)
    """Answers that are given before any other, first come first served."""
    asked: list[str] = field(default_factory=list)
    """Path and query of each request."""
    tokens_granted: int = 0
    """By refreshing."""
    _access: str = "typeform-access-token-0"
    _refresh: str = FIRST_REFRESH_TOKEN

    def application(self) -> Starlette:
        """The service."""
        return Starlette(
            routes=[
                Route("/oauth/token", self._grant, methods=["POST"]),
                Route("/forms", self._guarded(self._listed)),
                Route("/forms/{form}", self._guarded(self._definition)),
                Route("/forms/{form}/responses", self._guarded(self._responses)),
            ]
        )

    @staticmethod
    def connection(url: str, **more: Any) -> dict[str, Any]:
        """The settings of a connection to it, at full speed."""
        return {
            "connector": "typeform",
            "base_url": url,
            "private_network": True,
            "token": {"env": "TYPEFORM_TOKEN"},
            "requests_per_second": 10_000,
            **more,
        }

    @staticmethod
    def oauth(url: str, **more: Any) -> dict[str, Any]:
        """The settings of a connection with a refresh token."""
        basic = TypeformService.connection(url)
        return {
            **{name: value for name, value in basic.items() if name != "token"},
            "client_id": CLIENT_ID,
            "client_secret": {"env": "TYPEFORM_CLIENT_SECRET"},
            "refresh_token": {"env": "TYPEFORM_REFRESH_TOKEN"},
            **more,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment that such a connection needs."""
        return {
            "TYPEFORM_TOKEN": TOKEN,
            "TYPEFORM_CLIENT_SECRET": CLIENT_SECRET,
            "TYPEFORM_REFRESH_TOKEN": FIRST_REFRESH_TOKEN,
        }

    def expire(self) -> None:
        """Let the access token be good no longer."""
        self._access = "expired"

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.asked.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or token not in (TOKEN, self._access):
                return _error(401, "AUTHENTICATION_FAILED", "Authentication credentials not found")
            while self.trouble:
                made = self.trouble.popleft()(request)
                if made is not None:
                    return made
            return answer(request)

        return endpoint

    async def _grant(self, request: Request) -> Response:
        asked = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        known = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": self._refresh}
        if any(asked.get(name) != value for name, value in {"grant_type": "refresh_token", **known}.items()):
            return JSONResponse({"error": "invalid_grant"}, 400)
        # The old pair is good no longer.
        self.tokens_granted += 1
        self._access = f"typeform-access-token-{self.tokens_granted}"
        self._refresh = f"typeform-refresh-token-{self.tokens_granted}"
        return JSONResponse(
            {"access_token": self._access, "refresh_token": self._refresh, "expires_in": 604800}
        )

    def _listed(self, request: Request) -> Response:
        params = request.query_params
        size, page = min(int(params.get("page_size", 10)), 200), int(params.get("page", 1))
        found = self.forms[(page - 1) * size : page * size]
        items = [
            {
                "id": each["id"],
                "type": "quiz",
                "title": each["title"],
                "created_at": "2025-01-01T00:00:00Z",
                "last_updated_at": each["last_updated_at"],
                "settings": {"is_public": True, "is_trial": False},
                "self": {"href": f"{request.base_url}forms/{each['id']}"},
            }
            for each in found
        ]
        pages = -(-len(self.forms) // size)
        return JSONResponse({"total_items": len(self.forms), "page_count": pages, "items": items})

    def _definition(self, request: Request) -> Response:
        form = request.path_params["form"]
        for each in self.forms:
            if each["id"] == form and form not in self.deleted:
                return JSONResponse(
                    {name: value for name, value in each.items() if name != "last_updated_at"}
                )
        return _error(404, "FORM_NOT_FOUND", "form not found")

    def _responses(self, request: Request) -> Response:
        form, params = request.path_params["form"], request.query_params
        if form in self.deleted or form not in {each["id"] for each in self.forms}:
            return _error(404, "FORM_NOT_FOUND", "form not found")
        if {"before", "after"} & set(params) and {"since", "until"} & set(params):
            return _error(400, "VALIDATION_ERROR", "before and after cannot be combined with since and until")
        kind = params.get("response_type", "completed")
        time = _TIMES[kind]
        since, until = (
            datetime.fromisoformat(params[name]) if name in params else None for name in ("since", "until")
        )
        of_kind = [
            each
            for each in self.responses.get(form, [])
            if each["response_type"] == kind or (kind == "partial" and each["response_type"] == "started")
        ]
        ordered = sorted(of_kind, key=lambda each: (_time(each, time), each["token"]), reverse=True)
        if "before" in params:
            tokens = [each["token"] for each in ordered]
            ordered = ordered[tokens.index(params["before"]) + 1 :]
        found = [
            each
            for each in ordered
            if (since is None or since <= _time(each, time)) and (until is None or _time(each, time) <= until)
        ]
        size = min(int(params.get("page_size", 25)), self.page_size)
        items = [
            {name: value for name, value in each.items() if name != "staged_at" or self.gives_staged_at}
            for each in found[:size]
        ]
        return JSONResponse({"total_items": len(found), "page_count": -(-len(found) // size), "items": items})


def _time(record: Record, name: str) -> datetime:
    """The time that its type goes by; when the form was opened, if it has none."""
    text = record.get(name) or record["landed_at"]
    return datetime.fromisoformat(text).astimezone(UTC)


def _error(status: int, code: str, description: str) -> Response:
    return JSONResponse({"code": code, "description": description}, status)


def answer(status: int, body: Any = None, **headers: str) -> Trouble:
    """Trouble: an answer."""
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(content, status, {"content-type": "application/json", **named})
