"""An imitation of Shopify's Admin API, for tests and demos: an ASGI application with the records it is given.

It needs the extra `sandbox`.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cxflow_shopify import selection

Record = dict[str, Any]
_KINDS = {"orders": "read_orders", "customers": "read_customers", "events": "read_orders"}
_CONDITION = re.compile(r"(\w+):(>=|<=|<|>)?'?([^'\s]+)'?")


@dataclass
class ShopifyService:
    """One shop, its records with nested lists as plain lists, and the app that may read them."""

    orders: list[Record] = field(default_factory=list)
    customers: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    scopes: set[str] = field(default_factory=lambda: {"read_orders", "read_all_orders", "read_customers"})
    is_approved: bool = True
    """Whether the app may see protected customer data."""
    cap: int = 25_000
    """Records after which a search says that it has no next page."""
    version: str | None = None
    """The version that answers, if it is not the one asked for."""
    maximum: float = 2000
    available: float = 2000
    restored_per_second: float = 100
    most_per_query: float = 1000
    expiring: bool = False
    """Whether tokens are granted for an hour, by a refresh token that changes with every use."""
    token: str = "shpat_0123456789"
    refresh_token: str = "shprt_first_0123456789"
    client_secret: str = "shpss_0123456789"
    trouble: deque[Callable[[Request], Response | None]] = field(default_factory=deque)
    """Answers given before any other; None: the usual one."""
    asked: list[Record] = field(default_factory=list)
    """The variables of each query, and as `root` the field that it is about."""
    granted: int = 0
    """How many tokens."""
    running: int = 1
    """How often a bulk operation is asked about before it has ended."""
    most_operations: int = 5
    """Bulk operations that an app may run at a time."""
    operations: dict[str, Record] = field(default_factory=dict)
    """Id to each bulk operation: its status, its lines, and how often it was asked about."""
    download_base: str | None = None
    """Where results of bulk operations are; unset: on the service itself."""
    downloads: list[dict[str, str]] = field(default_factory=list)
    """The headers of each download."""
    _at: float = field(default_factory=time.monotonic)

    def application(self) -> Starlette:
        """The service."""
        return Starlette(
            routes=[
                Route("/admin/oauth/access_token", self._grant, methods=["POST"]),
                Route("/admin/api/{version}/graphql.json", self._graphql, methods=["POST"]),
                Route("/bulk/{number:int}.jsonl", self._download),
            ]
        )

    def connection(self, url: str) -> dict[str, Any]:
        """The settings of a connection to it."""
        by = {"token": {"env": "SHOPIFY_TOKEN"}}
        if self.expiring:
            by = {"client_secret": {"env": "SHOPIFY_SECRET"}, "refresh_token": {"env": "SHOPIFY_REFRESH"}}
            by |= {"client_id": "client-0123"}  # type: ignore[dict-item]
        return {"connector": "shopify", "base_url": url, "private_network": True, "shop": "acme", **by}

    @property
    def environment(self) -> dict[str, str]:
        """The secrets of that connection."""
        return {
            "SHOPIFY_TOKEN": self.token,
            "SHOPIFY_SECRET": self.client_secret,
            "SHOPIFY_REFRESH": self.refresh_token,
        }

    async def _grant(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != ("client-0123", self.client_secret):
            return JSONResponse({"error": "application_cannot_be_found"}, 400)
        by_refresh = (
            form.get("grant_type") == "refresh_token" and form.get("refresh_token") == self.refresh_token
        )
        if not by_refresh and form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.granted += 1
        self.token = f"shpat_granted_{self.granted:06}"
        made: Record = {"access_token": self.token, "scope": ",".join(self.scopes), "expires_in": 86_399}
        if by_refresh:
            self.refresh_token = f"shprt_granted_{self.granted:06}"
            made |= {"expires_in": 3599, "refresh_token": self.refresh_token}
            made |= {"refresh_token_expires_in": 7_775_999}
        return JSONResponse(made)

    async def _graphql(self, request: Request) -> Response:
        sent = json.loads(await request.body())
        variables = sent.get("variables") or {}
        while self.trouble:
            if (made := self.trouble.popleft()(request)) is not None:
                return made
        if request.headers.get("x-shopify-access-token") != self.token:
            return JSONResponse({"errors": "[API] Invalid API key or access token (unrecognized login)"}, 401)
        headers = {"x-shopify-api-version": self.version or request.path_params["version"]}
        try:
            fields = selection.parse(sent["query"], variables)
            self.asked.append({"root": fields[0].name, **variables})
            root = fields[0]
            if root.name == "bulkOperationRunQuery":
                return JSONResponse({"data": {root.name: self._start(root)}}, headers=headers)
            if root.name == "bulkOperation":
                base = (self.download_base or str(request.base_url)).rstrip("/")
                return JSONResponse({"data": {root.name: self._state(root, base)}}, headers=headers)
            return JSONResponse(self._answer(fields), headers=headers)
        except selection.GraphQLError as problem:
            error = {"message": str(problem), "extensions": {"code": "undefinedField"}}
            return JSONResponse({"errors": [error]}, headers=headers)

    def _start(self, asked: selection.Field) -> Record:
        """Run a bulk operation. Its file is made at once; it is only said to run for a while."""
        root = selection.parse(str(asked.arguments["query"]), {})[0]
        why = _no_bulk(root)
        for each in self.operations.values():
            self._goes_on(each)  # whether or not anybody asks about it
        running = [each for each in self.operations.values() if each["status"] in ("CREATED", "RUNNING")]
        if why is None and len(running) >= self.most_operations:
            why = (
                "A bulk query operation for this app and shop is already in progress.",
                "OPERATION_IN_PROGRESS",
            )
        if why is None and _KINDS[root.name] not in self.scopes:
            why = (f"Access denied for {root.name} field.", "INVALID")
        if why is not None:
            error = {"field": None, "message": why[0], "code": why[1]}
            return {"bulkOperation": None, "userErrors": [error]}
        records: list[Record] = getattr(self, root.name)
        found = [each for each in records if _matches(each, str(root.arguments["query"]))]
        identifier = f"gid://shopify/BulkOperation/{len(self.operations) + 1}"
        made = {"id": identifier, "status": "CREATED", "lines": _lines(root, found), "asked": 0}
        self.operations[identifier] = made
        return {"bulkOperation": {"id": identifier, "status": "CREATED"}, "userErrors": []}

    def _goes_on(self, operation: Record) -> None:
        """Time passes for an operation."""
        operation["asked"] += 1
        if operation["status"] in ("CREATED", "RUNNING"):
            operation["status"] = "COMPLETED" if operation["asked"] > self.running else "RUNNING"

    def _state(self, asked: selection.Field, base: str) -> Record | None:
        found = self.operations.get(str(asked.arguments["id"]))
        if found is None:
            return None
        self._goes_on(found)
        has_ended = found["status"] == "COMPLETED"
        number = found["id"].rsplit("/", 1)[-1]
        url = f"{base}/bulk/{number}.jsonl?signature=0123" if has_ended and found["lines"] else None
        code = {"FAILED": "INTERNAL_SERVER_ERROR"}.get(found["status"])
        count = str(len(found["lines"])) if has_ended else "0"
        whole = {
            "id": found["id"],
            "status": found["status"],
            "errorCode": code,
            "objectCount": count,
            "url": url,
        }
        return {each.name: whole[each.name] for each in asked.fields}

    async def _download(self, request: Request) -> Response:
        self.downloads.append(dict(request.headers))
        found = self.operations[f"gid://shopify/BulkOperation/{request.path_params['number']}"]
        if request.query_params.get("signature") != "0123":
            return Response(status_code=403)
        return Response("".join(f"{line}\n" for line in found["lines"]), media_type="application/jsonl")

    def _answer(self, fields: list[selection.Field]) -> Record:
        """A query's answer, paid for."""
        now = time.monotonic()
        self.available = min(self.maximum, self.available + (now - self._at) * self.restored_per_second)
        self._at = now
        requested = selection.cost(fields)
        if requested > self.most_per_query:
            return {"errors": [_error("Query cost is too high", "MAX_COST_EXCEEDED")]}
        if requested > self.available:
            return {
                "errors": [_error("Throttled", "THROTTLED")],
                "extensions": self._extensions(requested, None),
            }
        root = fields[0]
        scope = _KINDS.get(root.name)
        if scope is not None and scope not in self.scopes:
            error = _error(f"Access denied for {root.name} field.", "ACCESS_DENIED", [root.name])
            error["extensions"]["requiredAccess"] = f"`{scope}` access scope."
            return {
                "data": {root.name: None},
                "errors": [error],
                "extensions": self._extensions(requested, 1),
            }
        found: Record = {"data": {root.alias or root.name: self._root(root)}}
        if root.name == "orders" and not self.is_approved:
            for place, node in enumerate(found["data"]["orders"]["nodes"]):
                path = ["orders", "nodes", place, "customer"]
                message = "This app is not approved to access the Customer object."
                found.setdefault("errors", []).append(_error(message, "ACCESS_DENIED", path))
                node["customer"] = None
        actual = max(requested // 4, 1)
        self.available -= actual
        return {**found, "extensions": self._extensions(requested, actual)}

    def _root(self, root: selection.Field) -> Any:
        if root.name == "currentAppInstallation":
            return {"accessScopes": [{"handle": each} for each in sorted(self.scopes)]}
        if root.name == "node":
            every = [*self.orders, *(refund for order in self.orders for refund in order["refunds"])]
            value = next((each for each in every if each["id"] == root.arguments["id"]), None)
            return selection.applied(root.fields, value, _nested)
        if root.name not in _KINDS:
            raise selection.GraphQLError(f"Field '{root.name}' doesn't exist on type 'QueryRoot'")
        if unknown := root.arguments.keys() - {"first", "after", "query", "sortKey"}:
            raise selection.GraphQLError(f"Field '{root.name}' doesn't accept argument '{min(unknown)}'")
        records: list[Record] = getattr(self, root.name)
        by = "createdAt" if root.arguments.get("sortKey") == "CREATED_AT" else "updatedAt"
        found = sorted(
            (each for each in records if _matches(each, str(root.arguments.get("query") or ""))),
            key=lambda each: (each[by], each["id"]),
        )
        return selection.applied(root.fields, self._page(found, root, by), _nested)

    def _page(self, records: list[Record], asked: selection.Field, by: str) -> Record:
        """A page of a search, whose cursors are values of the sort key, and which ends at the cap."""
        after = asked.arguments.get("after")
        last: Record = json.loads(b64decode(after)) if after else {"value": "", "id": "", "seen": 0}
        first = int(asked.arguments.get("first") or 0)
        if not 1 <= first <= 250:
            raise selection.GraphQLError("you must provide one of first or last, between 1 and 250")
        left = [each for each in records if (each[by], each["id"]) > (last["value"], last["id"])]
        page = left[: min(first, max(self.cap - last["seen"], 0))]
        seen = last["seen"] + len(page)
        return {
            "nodes": page,
            "edges": [
                {"cursor": _cursor(value=each[by], id=each["id"], seen=last["seen"] + place), "node": each}
                for place, each in enumerate(page, start=1)
            ],
            "pageInfo": {
                "hasNextPage": len(left) > len(page) and seen < self.cap,
                "endCursor": _cursor(value=page[-1][by], id=page[-1]["id"], seen=seen) if page else None,
            },
        }

    def _extensions(self, requested: int, actual: int | None) -> Record:
        state = {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.available),
            "restoreRate": self.restored_per_second,
        }
        return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": state}}


def _nested(items: list[Any], asked: selection.Field) -> Record:
    """A page of a nested connection."""
    after = asked.arguments.get("after")
    start = json.loads(b64decode(after))["seen"] if after else 0
    end = start + int(asked.arguments["first"])
    info = {
        "hasNextPage": end < len(items),
        "endCursor": _cursor(seen=min(end, len(items))) if items else None,
    }
    edges = [
        {"cursor": _cursor(seen=at), "node": each} for at, each in enumerate(items[start:end], start + 1)
    ]
    return {"nodes": items[start:end], "edges": edges, "pageInfo": info}


def _no_bulk(root: selection.Field) -> tuple[str, str] | None:
    """Why a document cannot be a bulk operation: message and code."""

    def depths(field: selection.Field, depth: int, *, in_list: bool) -> Iterator[tuple[int, bool]]:
        is_connection = any(each.name in ("edges", "nodes") for each in field.fields)
        if is_connection:
            yield depth + 1, in_list
        for each in field.fields:
            of_list = in_list or field.name in ("refunds", "fulfillments")
            yield from depths(each, depth + is_connection, in_list=of_list)

    found = list(depths(root, 0, in_list=False))
    if not found:
        return "Bulk queries must contain at least one connection.", "INVALID"
    if len(found) > 5 or max(depth for depth, _ in found) > 3:
        return "Bulk queries cannot contain more than 5 connections, nor deeper ones.", "INVALID"
    if any(in_list for _, in_list in found):
        return "Queries that contain a connection field within a list field are not supported.", "INVALID"
    return None


def _lines(root: selection.Field, records: list[Record]) -> list[str]:
    """The lines of a bulk operation's result: records, and apart from them the items of their connections."""
    [fields] = [edge.fields[0].fields for edge in root.fields if edge.name == "edges"]
    nested = [each for each in fields if any(one.name == "edges" for one in each.fields)]
    plain = [each for each in fields if each not in nested]
    found, items = [], []
    for record in records:
        found.append(selection.applied(plain, record, _nested))
        for each in nested:
            for item in record[each.name]:
                chosen = selection.applied(each.fields[0].fields[0].fields, item, _nested)
                items.append({**chosen, "__parentId": record["id"]})
    return [json.dumps(each) for each in (*items[::2], *found, *items[1::2])]


def _matches(record: Record, query: str) -> bool:
    """Whether a record meets a search: conditions joined by AND."""
    for name, operator, value in _CONDITION.findall(query):
        first, *others = name.split("_")
        held = str(record[first + "".join(map(str.capitalize, others))])
        if not operator and held.lower() != value.lower():
            return False
        if operator and not _COMPARED[operator](datetime.fromisoformat(held), datetime.fromisoformat(value)):
            return False
    return True


_COMPARED: dict[str, Callable[[datetime, datetime], bool]] = {
    ">=": lambda held, value: held >= value,
    ">": lambda held, value: held > value,
    "<=": lambda held, value: held <= value,
    "<": lambda held, value: held < value,
}


def _cursor(**place: Any) -> str:
    return b64encode(json.dumps(place).encode()).decode()


def _error(message: str, code: str, path: list[Any] | None = None) -> Record:
    return {"message": message, "path": path, "extensions": {"code": code}}
