"""An imitation of HubSpot's API: what tests and demonstrations ask instead of the real one.

It is written from what HubSpot documents, not from what the connector expects, and refuses what HubSpot refuses. The
clock of a rate limit is the machine's own.
"""

from __future__ import annotations

import time
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
"""Answers instead of the service; None: it answers itself."""

SEARCH_CAP = 10_000
"""Results of one query beyond which a search answers no more."""
_SEARCH_PAGE, _LIST_PAGE, _BATCH = 200, 100, 100
_ALWAYS = ("hs_object_id", "createdate", "hs_lastmodifieddate", "lastmodifieddate")
"""Properties that come unasked, where a type has them."""
_DAILY = 250_000


def refusal(status: int, category: str, message: str = "", **more: Any) -> JSONResponse:
    """An error as HubSpot words it."""
    body = {"status": "error", "message": message, "correlationId": "0d1e", "category": category, **more}
    return JSONResponse(body, status)


def too_many(policy: str, message: str = "You have reached your limit.") -> JSONResponse:
    """A refusal because of a rate limit: SECONDLY, TEN_SECONDLY_ROLLING or DAILY. It has no header."""
    body = {"status": "error", "message": message, "errorType": "RATE_LIMIT", "correlationId": "0d1e"}
    return JSONResponse({**body, "policyName": policy}, 429)


@dataclass
class HubSpotService:
    """What an account holds, and what it was asked."""

    objects: dict[str, list[Record]] = field(default_factory=dict)
    """Type to its records, archived ones included."""
    owners: list[Record] = field(default_factory=list)
    contacts_of: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Type to record id to the ids of its contacts."""
    trouble: deque[Trouble] = field(default_factory=deque)
    """Answers that are given before any other, first come first served."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request, with its query."""
    searched: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of searches."""
    refused: list[str] = field(default_factory=list)
    """The requests that were refused."""
    searches_per_second: int | None = None
    """None: any number."""
    not_yet_searchable: set[str] = field(default_factory=set)
    """Ids that searches do not find yet."""
    found: Callable[[HubSpotService], None] | None = None
    """Called after each search, for what happens in the account meanwhile."""
    token: str = "pat-eu1-imitation-0001"
    client_id: str = "imitation-app"
    client_secret: str = "imitation-secret-0001"
    refresh_token: str = "imitation-refresh-0001"
    granted: list[str] = field(default_factory=list)
    """Access tokens that the refresh token was exchanged for; the last one is good."""
    _searches: deque[float] = field(default_factory=deque)

    def connection(self, url: str, *, oauth: bool = False) -> dict[str, Any]:
        """The settings of a connection to it."""
        own: dict[str, Any] = {"token": {"env": "HUBSPOT_TOKEN"}}
        if oauth:
            own = {
                "client_id": self.client_id,
                "client_secret": {"env": "HUBSPOT_CLIENT_SECRET"},
                "refresh_token": {"env": "HUBSPOT_REFRESH_TOKEN"},
            }
        return {"connector": "hubspot", "base_url": url, "private_network": True, **own}

    @property
    def environment(self) -> dict[str, str]:
        """The environment that such a connection needs."""
        return {
            "HUBSPOT_TOKEN": self.token,
            "HUBSPOT_CLIENT_SECRET": self.client_secret,
            "HUBSPOT_REFRESH_TOKEN": self.refresh_token,
        }

    def application(self) -> Starlette:
        """The service."""
        objects = "/crm/v3/objects/{type}"
        batch = "/crm/v4/associations/{type}/{other}/batch/read"
        return Starlette(
            routes=[
                Route("/oauth/v1/token", self._token, methods=["POST"]),
                Route(objects, self._guarded(self._list)),
                Route(f"{objects}/search", self._guarded(self._search), methods=["POST"]),
                Route("/crm/v3/owners", self._guarded(self._owners)),
                Route(batch, self._guarded(self._associations), methods=["POST"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        """Exchanges the refresh token, which stays the same."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.asked.append("POST /oauth/v1/token")
        mine = (self.client_id, self.client_secret, self.refresh_token, "refresh_token")
        if tuple(map(form.get, ("client_id", "client_secret", "refresh_token", "grant_type"))) != mine:
            return JSONResponse({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid"}, 400)
        self.granted.append(f"imitation-access-{len(self.granted) + 1:04}")
        return JSONResponse(
            {
                "token_type": "bearer",
                "refresh_token": self.refresh_token,
                "access_token": self.granted[-1],
                "expires_in": 1800,
                "hub_id": 4455667,
                "scopes": ["oauth", "tickets"],
            }
        )

    def _guarded(self, answer: Callable[[Request, Any], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            line = f"{request.method} {request.url.path}"
            self.asked.append(f"{line}?{request.url.query}" if request.url.query else line)
            body = await request.json() if request.method == "POST" else None
            response = self._refused(request) or answer(request, body)
            if response.status_code >= 400:
                self.refused.append(line)
            elif not line.endswith("/search"):
                # Searches are counted by themselves, and say nothing.
                response.headers["X-HubSpot-RateLimit-Daily"] = str(_DAILY)
                response.headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(_DAILY - len(self.asked))
            return response

        return endpoint

    def _refused(self, request: Request) -> Response | None:
        good = {self.token, *self.granted[-1:]}
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in good:
            return refusal(401, "INVALID_AUTHENTICATION", "The access token is invalid.")
        while self.trouble:
            if (made := self.trouble.popleft()(request)) is not None:
                return made
        if self.searches_per_second and request.url.path.endswith("/search"):
            now = time.monotonic()
            while self._searches and self._searches[0] <= now - 1:
                self._searches.popleft()
            if len(self._searches) >= self.searches_per_second:
                return too_many("SECONDLY", "You have reached your secondly limit.")
            self._searches.append(now)
        return None

    def _search(self, request: Request, body: dict[str, Any]) -> Response:
        kind = request.path_params["type"]
        self.searched.append(body)
        if (limit := body.get("limit", 10)) > _SEARCH_PAGE:
            return refusal(400, "VALIDATION_ERROR", "limit may be no more than 200")
        groups, sorts, after = body.get("filterGroups", []), body.get("sorts", []), int(body.get("after", 0))
        if len(groups) > 5 or any(len(group["filters"]) > 6 for group in groups) or len(sorts) > 1:
            return refusal(400, "VALIDATION_ERROR", "too many filters or sorts")
        if after + limit > SEARCH_CAP:
            return refusal(400, "VALIDATION_ERROR", "searches are limited to 10,000 results")
        alive = [
            each
            for each in self.objects.get(kind, [])
            if not each.get("archived") and each["id"] not in self.not_yet_searchable
        ]
        known = {name for each in self.objects.get(kind, []) for name in each["properties"]} | {
            "hs_object_id"
        }
        clock = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
        found = alive
        for rule in (rule for group in groups for rule in group["filters"]):
            if rule["propertyName"] not in known | {clock} or "value" not in rule:
                return refusal(400, "VALIDATION_ERROR", f"bad filter on {rule['propertyName']}")
            found = [each for each in found if _meets(each, rule)]
        if sorts:
            # The OpenAPI document has texts here, the guide has objects.
            by = {"propertyName": sorts[0]} if isinstance(sorts[0], str) else sorts[0]
            name, falling = by["propertyName"], by.get("direction") == "DESCENDING"
            found.sort(key=lambda each: _comparable(_property(each, name)), reverse=falling)
        page = [self._shown(each, known, body.get("properties", ())) for each in found[after : after + limit]]
        answer: dict[str, Any] = {"total": len(found), "results": page}
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit), "link": f"?after={after + limit}"}}
        response = JSONResponse(answer)
        if self.found is not None:
            self.found(self)
        return response

    def _list(self, request: Request, _: Any) -> Response:
        kind, params = request.path_params["type"], request.query_params
        if (limit := int(params.get("limit", 10))) > _LIST_PAGE:
            return refusal(400, "VALIDATION_ERROR", "limit may be no more than 100")
        is_archived = params.get("archived", "").lower() == "true"
        every = sorted(self.objects.get(kind, []), key=lambda each: int(each["id"]))
        known = {name for each in every for name in each["properties"]}
        found = [
            each
            for each in every
            if bool(each.get("archived")) == is_archived and int(each["id"]) >= int(params.get("after", 0))
        ]
        wanted = {name for text in params.getlist("properties") for name in text.split(",")}
        return self._paged([self._shown(each, known, wanted) for each in found], limit)

    def _owners(self, request: Request, _: Any) -> Response:
        params = request.query_params
        is_archived = params.get("archived", "").lower() == "true"
        found = [
            each
            for each in self.owners
            if each["archived"] == is_archived and int(each["id"]) >= int(params.get("after", 0))
        ]
        return self._paged(found, int(params.get("limit", 100)))

    @staticmethod
    def _paged(found: list[Record], limit: int) -> Response:
        answer: dict[str, Any] = {"results": found[:limit]}
        if len(found) > limit:
            answer["paging"] = {"next": {"after": found[limit]["id"], "link": f"?after={found[limit]['id']}"}}
        return JSONResponse(answer)

    def _associations(self, request: Request, body: dict[str, Any]) -> Response:
        kind, other = request.path_params["type"], request.path_params["other"]
        ids = [each["id"] for each in body["inputs"]]
        if len(ids) > _BATCH or not ids:
            return refusal(400, "VALIDATION_ERROR", "1 to 100 inputs")
        records = {each["id"]: each for each in self.objects.get(kind, [])}
        if any(records.get(each, {"archived": True}).get("archived") for each in ids):
            return refusal(400, "OBJECT_NOT_FOUND", "an object is not there")
        results, errors = [], []
        for each in ids:
            contacts = self.contacts_of.get(kind, {}).get(each, []) if other == "contacts" else []
            kinds = [{"category": "HUBSPOT_DEFINED", "typeId": 16, "label": None}]
            if contacts:
                to = [{"toObjectId": contact, "associationTypes": kinds} for contact in contacts]
                results.append({"from": {"id": each}, "to": to})
            else:
                errors.append(
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                        "message": f"No {other} is associated with {kind} {each}.",
                        "context": {"fromObjectId": [each]},
                    }
                )
        at = datetime.now(UTC).isoformat()
        answer: dict[str, Any] = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": at,
            "completedAt": at,
        }
        if errors:
            answer |= {"numErrors": len(errors), "errors": errors}
        return JSONResponse(answer, 207 if errors else 200)

    @staticmethod
    def _shown(record: Record, known: set[str], wanted: Any) -> Record:
        """A record with the wanted properties: null where it has none, absent where the account has no such."""
        own = record["properties"]
        names = {name for name in _ALWAYS if name in own} | (set(wanted) & known)
        properties = {name: own.get(name) for name in sorted(names)} | {"hs_object_id": record["id"]}
        return {**record, "properties": properties, "archived": bool(record.get("archived"))}


def _property(record: Record, name: str) -> Any:
    if name == "hs_object_id":
        return record["id"]
    if name in ("hs_lastmodifieddate", "lastmodifieddate"):
        return record["properties"].get(name, record["updatedAt"])
    return record["properties"].get(name)


def _comparable(written: Any) -> float:
    """A number, or a time in milliseconds since 1970."""
    text = str(written)
    if text.isdigit():
        return float(text)
    return datetime.fromisoformat(text).timestamp() * 1000


def _meets(record: Record, rule: dict[str, Any]) -> bool:
    mine = _property(record, rule["propertyName"])
    if mine is None:
        return False
    left, right = round(_comparable(mine)), round(_comparable(rule["value"]))
    return {
        "GTE": left >= right,
        "GT": left > right,
        "LTE": left <= right,
        "LT": left < right,
        "EQ": left == right,
    }[rule["operator"]]
