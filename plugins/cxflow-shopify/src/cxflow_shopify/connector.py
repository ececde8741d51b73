"""The connector: which shop, by which token, at what cost, and what Shopify's errors mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from typing import Any, ClassVar, Literal

from cxflow import Secret, TransientError, Window, http
from pydantic import Field, model_validator

from cxflow_shopify import queries, streams
from cxflow_shopify.bulk import Bulk

_TOKEN = "X-Shopify-Access-Token"
_TOKENS = "/admin/oauth/access_token"
_MORE = 100
"""Items of a nested list to ask for at a time, beyond its first page."""
_COST_OF_MORE = 600


class ShopifyConnection(http.HttpConnection):
    """One shop."""

    account_settings: ClassVar[tuple[str, ...]] = ("shop", "base_url", "client_id")
    shop: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """The part of `….myshopify.com` that is the shop's."""
    api_version: str = Field(default="2026-07", pattern=r"^20\d\d-\d\d$")
    """A version of the Admin API; each is supported for about a year."""
    token: Secret | None = None
    """The access token of a custom app, if it does not expire."""
    client_id: str | None = None
    """The app's id, if its tokens expire."""
    client_secret: Secret | None = None
    """The app's secret."""
    refresh_token: Secret | None = None
    """The first refresh token of an expiring token; unset: the app gets its tokens by id and secret."""
    order_ids: Literal["id", "name"] = "id"
    """What `order_id` shows: Shopify's number, or the name without `#`, by which customers refer to it."""
    returned: tuple[str, ...] = ("RETURN",)
    """The kinds of restocking of a refund's items that mean goods came back."""
    page_size: int = Field(default=10, ge=1, le=250)
    """Orders to ask for at a time. A page that would cost more than Shopify allows is asked for by halves."""
    bulk_days: float = Field(default=30, ge=0)
    """A longer window (a first pull, a long backfill) is read by a bulk operation, which costs no points;
    0: none is."""
    order_fields: str = ""
    """GraphQL fields of an order to read besides, such as a metafield that the mapping uses."""
    customer_fields: str = ""
    """GraphQL fields of a customer to read besides."""

    @model_validator(mode="after")
    def _can_ask(self) -> ShopifyConnection:
        if self.token is None and (self.client_id is None or self.client_secret is None):
            raise ValueError("it needs a token, or client_id and client_secret")
        return self


def _denied(status: int, code: str | None) -> http.Rule:
    return http.Rule(
        status,
        http.Then.CONFIG,
        code,
        "the app may not read a field of this stream",
        "orders need the scope read_orders (older than 60 days: read_all_orders), customers read_customers, "
        "both the approval for protected customer data; or leave the stream out: only = […]",
    )


class Shopify(http.RestConnector[ShopifyConnection]):
    """Reads a shop's orders and customers by GraphQL, each whole whenever it has changed."""

    name: ClassVar[str] = "shopify"
    title: ClassVar[str] = "Shopify: orders with lines, refunds and deliveries, and customers"
    distribution: ClassVar[str] = "cxflow-shopify"
    base_url: ClassVar[str] = "https://{shop}.myshopify.com"
    download_hosts: ClassVar[tuple[str, ...]] = ("https://storage.googleapis.com",)
    errors: ClassVar[http.Errors] = http.Errors(
        # Where there is no code, any word of an error is one: no answer with errors is taken for whole.
        code=("errors.0.extensions.code", "errors.0.message", "errors"),
        missing=("errors.0.extensions.requiredAccess", "errors.0.path"),
        in_success=True,
        rules=(
            http.Rule(200, http.Then.WAIT, "THROTTLED", "that the points are used up"),
            http.Rule(200, http.Then.SHRINK, "MAX_COST_EXCEEDED", "that a page of this size costs too much"),
            http.Rule(200, http.Then.RETRY, "INTERNAL_SERVER_ERROR"),
            _denied(200, "ACCESS_DENIED"),
            http.Rule(
                200,
                http.Then.CONFIG,
                why="with an error instead of data",
                fix="check the token, api_version, order_fields and customer_fields",
            ),
            http.Rule(
                401,
                http.Then.RENEW,
                why="status 401: it does not know the token",
                fix="check the token, and that the app is still installed in this shop",
            ),
            http.Rule(402, http.Then.CONFIG, why="status 402: the shop is frozen until its bill is paid"),
            http.Rule(
                403,
                http.Then.CONFIG,
                why="status 403: the app may not use the Admin API",
                fix="some apps need expiring tokens by now: set client_id, client_secret and refresh_token",
            ),
            http.Rule(
                404,
                http.Then.CONFIG,
                why="status 404: there is no such shop or version of the API",
                fix="check shop and api_version",
            ),
            http.Rule(423, http.Then.CONFIG, why="status 423: the shop is locked"),
            http.Rule(430, http.Then.CONFIG, why="status 430: it takes the request for an attack"),
        ),
    )

    def known_streams(self) -> Sequence[http.RestStream]:
        """Orders and customers."""
        settings = self.connection
        return [streams.orders(streams.Meaning(settings.order_ids, settings.returned)), streams.CUSTOMERS]

    @property
    def account(self) -> str:
        """The app in the shop: points are counted for both."""
        return f"{self.address} {self.connection.client_id or ''}"

    def auth(self, client: http.Client) -> http.Auth:
        """A token that lasts, one whose refresh token changes with every use, or one for id and secret."""
        settings = self.connection
        if settings.token is not None:
            return http.Header(_TOKEN, settings.token.reveal("token"))
        assert settings.client_id
        assert settings.client_secret
        secret = settings.client_secret.reveal("client_secret").get_secret_value()
        form = {"client_id": settings.client_id, "client_secret": secret}
        ask, store = client.ask_for_tokens(_TOKENS), self.token_store()
        if settings.refresh_token is None:
            return http.ClientCredentials(ask, form, store, header=_TOKEN, prefix="")
        first = settings.refresh_token.reveal("refresh_token")
        return http.RefreshToken(ask, form, store, first=first, header=_TOKEN, prefix="")

    def export(self, stream: http.RestStream, window: Window) -> Bulk | None:
        """A bulk operation for a long window."""
        longest = timedelta(days=self.connection.bulk_days)
        if not longest or (window.start is not None and window.end - window.start <= longest):
            return None
        start = (window.start or stream.earliest or window.end).astimezone(UTC)
        search = streams.UPDATED.format(
            start=f"{start:%Y-%m-%dT%H:%M:%SZ}", end=f"{window.end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
        own = {
            "order_fields": self.connection.order_fields,
            "customer_fields": self.connection.customer_fields,
        }
        document = queries.bulk(stream.name, search)
        for name, fields in own.items():
            document = document.replace(f"{{{name}}}", fields)
        return Bulk(streams.PATH.format(api_version=self.connection.api_version), stream.name, document)

    def points(self, answer: http.Answer) -> tuple[float, float, float] | None:
        """What is left of the shop's points, as every answer says."""
        state = answer.value("extensions.cost.throttleStatus")
        if not isinstance(state, dict):
            return None
        return state["currentlyAvailable"], state["restoreRate"], state["maximumAvailable"]

    def wait(self, answer: http.Answer) -> float | None:
        """How long the points for a query take to come back: Shopify says how many it lacks, not how long."""
        asked, state = answer.value("extensions.cost.requestedQueryCost"), self.points(answer)
        if not isinstance(asked, int | float) or state is None or not state[1]:
            return None
        return max(asked - state[0], 0) / state[1]

    def completed(
        self,
        client: http.Client,
        stream: http.RestStream,  # noqa: ARG002
        records: list[bytes],
    ) -> list[bytes]:
        """Orders with all of their lines and items of refunds: a page of orders has the first ones of each, a
        bulk operation no items of refunds."""
        return [self._whole(client, record) for record in records]

    def _whole(self, client: http.Client, record: bytes) -> bytes:
        is_cut = b'"hasNextPage":true' in record.replace(b" ", b"")
        if not is_cut and (b"gid://shopify/Refund/" not in record or b'"refundLineItems"' in record):
            return record
        found = json.loads(record)
        for refund in found.get("refunds") or ():
            refund.setdefault("refundLineItems", {"nodes": [], "pageInfo": {"hasNextPage": True}})
        for holder, name in _cut(found):
            self._ask_for_more(client, holder, name)
        return json.dumps(found, ensure_ascii=False).encode()

    def remarks(self, stream: http.RestStream) -> list[str]:
        """Whether orders older than 60 days are left out, and whether another version answers."""
        with self._client() as client:
            answer = client.send(self._request(queries.SCOPES, {}))
        found = []
        granted = answer.value("data.currentAppInstallation.accessScopes") or []
        if stream.name == "orders" and "read_all_orders" not in {each.get("handle") for each in granted}:
            found.append(
                "the app lacks the scope read_all_orders: orders older than 60 days are not among its answers"
            )
        version = answer.headers.get("x-shopify-api-version", self.connection.api_version)
        if version != self.connection.api_version:
            found.append(
                f"api_version {self.connection.api_version} is no longer supported: {version} answers instead"
            )
        return found

    def _ask_for_more(self, client: http.Client, holder: dict[str, Any], name: str) -> None:
        """Fill a nested connection up, page after page."""
        kind = str(holder["id"]).split("/")[3]
        connection = holder[name]
        while connection["pageInfo"]["hasNextPage"]:
            variables = {"id": holder["id"], "first": _MORE, "after": connection["pageInfo"].get("endCursor")}
            request = self._request(queries.rest(kind, name), variables)
            more = client.send(request, points=_COST_OF_MORE).value(f"data.node.{name}")
            info = {} if more is None else more["pageInfo"]
            if more is None or (info["hasNextPage"] and info["endCursor"] == variables["after"]):
                raise TransientError(f"the rest of the {name} of one {kind} is not there any more")
            connection["nodes"] += more["nodes"]
            connection["pageInfo"] = info

    def _request(self, document: str, variables: dict[str, Any]) -> http.Request:
        path = streams.PATH.format(api_version=self.connection.api_version)
        return http.Request(path, body={"query": document, "variables": variables})


def _cut(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """The connections within a record that have a next page: what they belong to, and their names."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in queries.NESTED and item and item["pageInfo"]["hasNextPage"]:
                yield value, name
            yield from _cut(item)
    elif isinstance(value, list):
        for item in value:
            yield from _cut(item)
