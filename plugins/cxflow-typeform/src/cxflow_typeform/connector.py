"""The connector: settings, credentials, rates, errors, and the questions that it adds to responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from cxflow import Connection, Secret, Settings, Stream, http
from pydantic import Field, StringConstraints, model_validator

from cxflow_typeform.questions import rated
from cxflow_typeform.streams import PARTIAL_RESPONSES, RESPONSES, STREAMS

HiddenField = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]


class TypeformConnection(http.OAuthConnection):
    """One Typeform account. With its data in the EU: `base_url = "https://api.eu.typeform.com"`."""

    token: Secret | None = None
    """A personal access token."""
    requests_per_second: float = Field(default=2, gt=0)
    """What the account's plan allows."""
    nps_questions: tuple[str, ...] = ()
    """Refs of questions that measure the NPS, whatever their type and title say."""
    csat_questions: tuple[str, ...] = ()
    """Refs of questions that measure satisfaction."""
    ces_questions: tuple[str, ...] = ()
    """Refs of questions that measure effort."""
    other_questions: tuple[str, ...] = ()
    """Refs of rated questions that measure none of these, whatever their titles say."""
    hidden_identifiers: dict[str, HiddenField] = Field(default_factory=dict)
    """Namespace of an identifier to the hidden field that holds it: `{ email = "mail", customer = "id" }`."""

    @model_validator(mode="after")
    def _one_way_in(self) -> TypeformConnection:
        by_oauth = (self.client_id, self.client_secret, self.refresh_token)
        if bool(self.token) == all(by_oauth) or (self.token and any(by_oauth)):
            raise ValueError("needs token, or client_id, client_secret and refresh_token")
        return self

    @property
    def named_questions(self) -> dict[str, str]:
        """Ref to metric."""
        return {
            **dict.fromkeys(self.other_questions, "rating"),
            **dict.fromkeys(self.ces_questions, "ces"),
            **dict.fromkeys(self.csat_questions, "csat"),
            **dict.fromkeys(self.nps_questions, "nps"),
        }


class Typeform(http.RestConnector[TypeformConnection]):
    """Reads the forms of a Typeform account and their responses."""

    name: ClassVar[str] = "typeform"
    title: ClassVar[str] = "Typeform: responses with NPS, CSAT, CES and comments"
    distribution: ClassVar[str] = "cxflow-typeform"
    declared: ClassVar[tuple[Stream, ...]] = STREAMS
    base_url: ClassVar[str] = "https://api.typeform.com"
    errors: ClassVar[http.Errors] = http.Errors(
        code=("code",),
        rules=(
            http.Rule(401, http.Then.RENEW, fix="make a new personal token, or authorise cxflow anew"),
            http.Rule(
                403,
                http.Then.CONFIG,
                why="status 403: the token lacks a right",
                fix="it needs the scopes forms:read and responses:read",
            ),
        ),
    )

    def __init__(self, settings: Settings, connection: Connection) -> None:
        """Raises ConfigError where a stream's declaration is not valid."""
        super().__init__(settings, _with_hidden(connection))
        self._rated: dict[str, bytes] = {}
        """The form that was read last, and its rated questions."""

    @property
    def allowed(self) -> tuple[http.RateLimit, ...]:
        """The plan's limit."""
        return (http.RateLimit(1, 1 / self.connection.requests_per_second),)

    def auth(self, client: http.Client) -> http.Auth:
        """A personal token, or OAuth's refresh token."""
        if self.connection.token is not None:
            return http.bearer(self.connection.token.reveal("token"))
        return self.refreshed(client, "/oauth/token", scope="offline forms:read responses:read")

    def completed(self, client: http.Client, stream: http.RestStream, records: list[bytes]) -> list[bytes]:
        """Responses with the rated questions of their form, as `_questions`."""
        if stream.name != RESPONSES.name or not records:
            return records
        # A page is of one form.
        form = str(http.Answer(records[0], datetime.now(UTC)).value("_parent.key"))
        if form not in self._rated:
            self._rated = {form: self._questions(client, form)}
        return [b'{"_questions":' + self._rated[form] + b"," + record[1:] for record in records]

    def _questions(self, client: http.Client, form: str) -> bytes:
        """The rated questions of a form, as JSON."""
        definition = client.send(http.Request(f"/forms/{quote(form, safe='')}"))
        found = rated(json.loads(definition.body), self.connection.named_questions)
        return json.dumps([question.as_json() for question in found]).encode()


def _with_hidden(connection: Connection) -> Connection:
    """The connection, its streams with the identifiers that hidden fields hold."""
    assert isinstance(connection, TypeformConnection)
    fields = connection.hidden_identifiers
    if not fields:
        return connection
    streams = dict(connection.streams)
    for stream in (RESPONSES, PARTIAL_RESPONSES):
        changes: dict[str, Any] = dict(streams.get(stream.name, {}))
        identifiers = {name: f'hidden."{field}"' for name, field in fields.items()}
        if "email" in identifiers:
            identifiers["email"] = f"list_append({stream.identifiers['email']}, {identifiers['email']})"
        if "phone" in identifiers:
            identifiers["phone"] = f"list_append({stream.identifiers['phone']}, {identifiers['phone']})"
        changes["identifiers"] = {**identifiers, **changes.get("identifiers", {})}
        lacked = changes.get("may_lack", stream.may_lack)
        lacked = (lacked,) if isinstance(lacked, str) else tuple(lacked)
        changes["may_lack"] = (*lacked, *(f"hidden.{field}" for field in fields.values()))
        streams[stream.name] = changes
    return connection.model_copy(update={"streams": streams})
