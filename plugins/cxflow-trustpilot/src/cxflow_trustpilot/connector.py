"""The connector: who asks, for which business unit, how often, and what Trustpilot's errors mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from cxflow import Secret, SourceError, http
from pydantic import model_validator

from cxflow_trustpilot import streams

_ID = re.compile(r"[0-9a-f]{24}")
_TOKENS = "/oauth/oauth-business-users-for-applications/accesstoken"


class TrustpilotConnection(http.HttpConnection):
    """One business unit: a company's profile on Trustpilot."""

    account_settings: ClassVar[tuple[str, ...]] = ("business_unit", "base_url")
    business_unit: str
    """Its id (24 hexadecimal digits), or its domain, such as `example.com`."""
    api_key: Secret
    """The key of the API application."""
    api_secret: Secret | None = None
    """Its secret; needed for `access = "private"`."""
    access: Literal["private", "public"] = "private"
    """private: with e-mail addresses and order numbers. public: what everybody sees; it needs no secret."""
    orders: str | None = None
    """The connection whose orders `referenceId` names, so that reviews join them; unset: none."""
    statuses: tuple[str, ...] = ("active",)
    """The states in which a review counts; in others it lands and has no rows."""

    @model_validator(mode="after")
    def _has_its_secret(self) -> TrustpilotConnection:
        if self.access == "private" and self.api_secret is None:
            raise ValueError('access = "private" needs api_secret; without one, set access = "public"')
        return self


@dataclass(frozen=True, slots=True)
class _Both(http.Auth):
    """A token for private endpoints, and the key, which is enough to find a business unit."""

    token: http.ClientCredentials
    key: http.Header

    def credentials(self) -> http.Credentials:
        return http.Credentials({**self.token.credentials().headers, **self.key.credentials().headers})

    def renew(self) -> bool:
        return self.token.renew()


class Trustpilot(http.RestConnector[TrustpilotConnection]):
    """Reads reviews of a business unit, oldest first, those of the last month again with every run."""

    name: ClassVar[str] = "trustpilot"
    title: ClassVar[str] = "Trustpilot: reviews of a company and its products, and the replies to them"
    distribution: ClassVar[str] = "cxflow-trustpilot"
    base_url: ClassVar[str] = "https://api.trustpilot.com/v1"
    # Also less than 10,000 an hour, the other limit.
    rates: ClassVar[tuple[http.RateLimit, ...]] = (http.RateLimit(833, 300, burst=20),)
    errors: ClassVar[http.Errors] = http.Errors(
        code=("errorCode",),
        rules=(
            http.Rule(
                401,
                http.Then.RENEW,
                why="status 401: it does not know the key or the token",
                fix="check api_key and api_secret: they belong to one API application",
            ),
            http.Rule(
                403,
                http.Then.CONFIG,
                why="status 403: the key may not read this business unit's reviews",
                fix='check that the plan includes the API module; access = "public" needs the key alone',
            ),
            http.Rule(
                404,
                http.Then.CONFIG,
                why="status 404: there is no such business unit",
                fix="check business_unit: an id of 24 hexadecimal digits, or the domain of the profile",
            ),
        ),
    )

    def known_streams(self) -> Sequence[http.RestStream]:
        """Service reviews; with private access, product reviews too: public ones are asked for by SKU."""
        settings = self.connection
        found = streams.Meaning(settings.orders, settings.statuses)
        if settings.access == "public":
            return [streams.service_reviews(found, is_public=True)]
        return [streams.service_reviews(found), streams.product_reviews(found)]

    def auth(self, client: http.Client) -> http.Auth:
        """The key; with private access, a token for key and secret as well."""
        key = self.connection.api_key.reveal("api_key")
        header = http.Header("apikey", key)
        if self.connection.api_secret is None or self.connection.access == "public":
            return header
        secret = self.connection.api_secret.reveal("api_secret")
        basic = http.Basic(key.get_secret_value(), secret).credentials().headers
        ask = client.ask_for_tokens(_TOKENS, headers=basic)
        return _Both(http.ClientCredentials(ask, {}, self.token_store()), header)

    def look_up(self, client: http.Client) -> Mapping[str, Any]:
        """The business unit's id, found by its domain where that is configured."""
        unit = self.connection.business_unit.strip().lower()
        if _ID.fullmatch(unit):
            return {"unit": unit}
        domain = re.sub(r"^(https?://)?(www\.)?|/.*$", "", unit)
        found = client.send(http.Request("/business-units/find", {"name": domain})).value("id")
        if not found:
            raise SourceError(f"the answer about the business unit {domain} has no id", value=domain)
        return {"unit": found}
