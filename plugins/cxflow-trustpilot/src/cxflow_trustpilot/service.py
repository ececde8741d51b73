"""An imitation of Trustpilot's API, for tests and demos: an ASGI application with the reviews it is given.

It needs the extra `sandbox`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Record = dict[str, Any]
_PRIVATE_FIELDS = (
    "referralEmail",
    "referenceId",
    "findReviewer",
    "invitation",
    "tags",
    "experiencedAt",
    "source",
)


@dataclass
class TrustpilotService:
    """One business unit, its reviews, and the application that may read them."""

    service_reviews: list[Record] = field(default_factory=list)
    product_reviews: list[Record] = field(default_factory=list)
    unit: str = "507f191e810c19729de860ea"
    domain: str = "acme.example"
    includes_start: bool = True
    """Whether `startDateTime` itself is in a window, and `endDateTime` is not; else the other way round."""
    cap: int = 100_000
    """Records after which a query's pages are empty."""
    trouble: deque[Callable[[Request], Response | None]] = field(default_factory=deque)
    """Answers given before any other; None: the usual one."""
    asked: list[str] = field(default_factory=list)
    """Path and query of each request."""
    tokens: list[str] = field(default_factory=list)
    """Granted, the last one is good."""
    key: str = "trustpilot-key-0123"
    secret: str = "trustpilot-secret-4567"
    username: str = "owner@acme.example"
    """A business user, who may be granted a token as well."""
    password: str = "trustpilot-password-8901"
    refresh_token: str = "trustpilot-refresh-2345"

    def application(self) -> Starlette:
        """The service."""
        units = "/v1/business-units"
        return Starlette(
            routes=[
                Route(
                    "/v1/oauth/oauth-business-users-for-applications/accesstoken",
                    self._token,
                    methods=["POST"],
                ),
                Route(
                    "/v1/oauth/oauth-business-users-for-applications/refresh",
                    self._refreshed,
                    methods=["POST"],
                ),
                Route(f"{units}/find", self._guarded(self._find, private=False)),
                Route(f"{units}/{{unit}}/reviews", self._guarded(self._public, private=False)),
                Route("/v1/private/business-units/{unit}/reviews", self._guarded(self._private)),
                Route(
                    "/v1/private/product-reviews/business-units/{unit}/reviews", self._guarded(self._products)
                ),
            ]
        )

    def connection(self, url: str) -> dict[str, Any]:
        """The settings of a connection to it."""
        return {
            "connector": "trustpilot",
            "base_url": f"{url}/v1",
            "private_network": True,
            "business_unit": self.unit,
            "api_key": {"env": "TRUSTPILOT_KEY"},
            "api_secret": {"env": "TRUSTPILOT_SECRET"},
        }

    @property
    def environment(self) -> dict[str, str]:
        """The secrets of that connection."""
        return {"TRUSTPILOT_KEY": self.key, "TRUSTPILOT_SECRET": self.secret}

    async def _token(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        form = parse_qs((await request.body()).decode())
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        given = b64decode(encoded).decode() if kind == "Basic" else ""
        grant = [form.get(name, [""])[0] for name in ("grant_type", "username", "password")]
        good = (["client_credentials", "", ""], ["password", self.username, self.password])
        if given != f"{self.key}:{self.secret}" or grant not in good:
            return _error(401, "Unknown application")
        return self._granted({} if grant == good[0] else {"refresh_token": self.refresh_token})

    async def _refreshed(self, request: Request) -> Response:
        """A token for a user's refresh token, with the application's key and secret in the form."""
        self.asked.append(request.url.path)
        sent = (await request.body()).decode()
        form = {name: values[0] for name, values in parse_qs(sent).items()}
        mine = ("refresh_token", self.key, self.secret, self.refresh_token)
        if tuple(map(form.get, ("grant_type", "client_id", "client_secret", "refresh_token"))) != mine:
            return _error(401, "Unknown refresh token")
        return self._granted({"refresh_token": self.refresh_token})

    def _granted(self, more: Record) -> Response:
        self.tokens.append(f"granted-token-{len(self.tokens) + 1:04}")
        # Its numbers are texts.
        granted = {"access_token": self.tokens[-1], "token_type": "BearerToken", "expires_in": "359999"}
        return JSONResponse({**granted, **more, "issued_at": "1772366400000", "status": "approved"})

    def _guarded(
        self, answer: Callable[[Request], Response], *, private: bool = True
    ) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.asked.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            while self.trouble:
                if (made := self.trouble.popleft()(request)) is not None:
                    return made
            token = self.tokens[-1] if self.tokens else None
            if private and request.headers.get("authorization") != f"Bearer {token}":
                return _error(401, "Invalid access token")
            if not private and request.headers.get("apikey") != self.key:
                return _error(401, "Unknown apikey")
            if request.path_params.get("unit", self.unit) != self.unit:
                return _error(404, "Business unit not found")
            return answer(request)

        return endpoint

    def _find(self, request: Request) -> Response:
        if request.query_params.get("name") != self.domain:
            return _error(404, "Business unit not found")
        return JSONResponse({"id": self.unit, "displayName": "Acme", "name": {"identifying": self.domain}})

    def _public(self, request: Request) -> Response:
        visible = [
            {name: value for name, value in each.items() if name not in _PRIVATE_FIELDS}
            for each in self.service_reviews
        ]
        return self._page(request, "reviews", visible)

    def _private(self, request: Request) -> Response:
        params = request.query_params
        start, end = (
            _instant(params[name]) if name in params else None for name in ("startDateTime", "endDateTime")
        )
        found = [
            each for each in self.service_reviews if self._is_inside(_instant(each["createdAt"]), start, end)
        ]
        return self._page(request, "reviews", found)

    def _products(self, request: Request) -> Response:
        return self._page(request, "productReviews", self.product_reviews)

    def _is_inside(self, at: datetime, start: datetime | None, end: datetime | None) -> bool:
        if self.includes_start:
            return (start is None or start <= at) and (end is None or at < end)
        return (start is None or start < at) and (end is None or at <= end)

    def _page(self, request: Request, name: str, records: Iterable[Record]) -> Response:
        params = request.query_params
        page, size = int(params.get("page", 1)), int(params.get("perPage", 20))
        if not 1 <= size <= 100 or page < 1:
            return _error(400, "perPage must be between 1 and 100")
        descending = params.get("orderBy", "createdat.desc") == "createdat.desc"
        found = sorted(records, key=lambda each: _instant(each["createdAt"]), reverse=descending)[: self.cap]
        shown = found[(page - 1) * size : page * size]
        following = str(request.url.include_query_params(page=page + 1))
        more = [{"href": following, "method": "GET", "rel": "next-page"}] if page * size < len(found) else []
        return JSONResponse({"links": more, name: shown})


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _error(status: int, message: str) -> Response:
    body = {"message": message, "errorCode": status * 100, "details": None, "correlationId": "0"}
    return Response(json.dumps(body), status, media_type="application/json")
