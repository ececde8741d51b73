"""The connector: where HubSpot is, who asks, how often, and what its refusals mean."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from cxflow import Secret, Stream, http
from pydantic import model_validator

from cxflow_hubspot import associations
from cxflow_hubspot.objects import HubSpotStream
from cxflow_hubspot.streams import STREAMS


class HubSpotConnection(http.OAuthConnection):
    """One HubSpot account: with the token of a private app, or with the three settings of an OAuth app."""

    token: Secret | None = None
    """The access token of a private app."""

    @model_validator(mode="after")
    def _one_credential(self) -> HubSpotConnection:
        oauth = [self.client_id, self.client_secret, self.refresh_token]
        if (self.token is not None) == any(oauth) or (any(oauth) and not all(oauth)):
            raise ValueError("set either token, or client_id, client_secret and refresh_token")
        return self


class HubSpot(http.RestConnector[HubSpotConnection]):
    """Reads an account's CRM objects by search, and archived ones by list."""

    name: ClassVar[str] = "hubspot"
    title: ClassVar[str] = "HubSpot: contacts, companies, deals, tickets, calls, e-mails, feedback, owners"
    distribution: ClassVar[str] = "cxflow-hubspot"
    stream_model: ClassVar[type[http.RestStream]] = HubSpotStream
    declared: ClassVar[tuple[Stream, ...]] = STREAMS
    base_url: ClassVar[str] = "https://api.hubapi.com"
    # A private app of a free account; larger ones may ask for more. Search has a limit of its own, 5 a second for all
    # apps of the account: one is left to others, and to requests that do not arrive as evenly as they are sent.
    rates: ClassVar[tuple[http.RateLimit, ...]] = (
        http.RateLimit(100, 10),
        http.RateLimit(4, 1, of="/search"),
    )
    errors: ClassVar[http.Errors] = http.Errors(
        code=("policyName", "category"),
        rules=(
            # Answers to searches have no header that says how long to wait: the policy's name does.
            http.Rule(429, http.Then.WAIT, "SECONDLY", seconds=1),
            http.Rule(429, http.Then.WAIT, "TEN_SECONDLY_ROLLING", seconds=10),
            http.Rule(
                429,
                http.Then.QUOTA,
                "DAILY",
                "status 429 (DAILY)",
                "it is refilled at midnight in the account's time zone; what was read is kept",
            ),
            http.Rule(429, http.Then.WAIT, seconds=10),
            http.Rule(423, http.Then.WAIT, seconds=2),
            http.Rule(
                403,
                http.Then.CONFIG,
                "MISSING_SCOPES",
                "status 403 (MISSING_SCOPES): the token lacks a scope for this stream",
            ),
            http.Rule(
                530,
                http.Then.CONFIG,
                None,
                "status 530: the token has not the form of one",
                "check that the token was copied whole, and into the right variable",
            ),
            # A page that is too long to ask for, or a batch with a record that was just archived.
            http.Rule(400, http.Then.SHRINK),
        ),
    )

    def auth(self, client: http.Client) -> http.Auth:
        """The private app's token, or one that the refresh token gives for half an hour."""
        if self.connection.token is not None:
            return http.bearer(self.connection.token.reveal("token"))
        return self.refreshed(client, "/oauth/v1/token")

    def completed(self, client: http.Client, stream: http.RestStream, records: list[bytes]) -> list[bytes]:
        """The records with `_contacts`, the ids of their contacts, and `_contact`, the oldest of them."""
        assert isinstance(stream, HubSpotStream)
        if not stream.of_contacts:
            return records
        known: list[dict[str, Any]] = [json.loads(record) for record in records]
        # One without an id lands, and goes to quarantine for its key.
        live = [str(each["id"]) for each in known if each.get("id") and not each.get("archived")]
        found = associations.contacts(client, stream.object_type, live)
        completed = []
        for record, each in zip(records, known, strict=True):
            contacts = found.get(str(each.get("id")), [])
            put = json.dumps({"_contact": contacts[0] if contacts else None, "_contacts": contacts})
            completed.append(put[:-1].encode() + b"," + record[1:])
        return completed
