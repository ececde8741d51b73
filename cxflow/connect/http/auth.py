"""How a request shows who asks. A scheme adds headers or parameters, and may renew what it adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr

from cxflow.connect.http.tokens import Tokens, TokenStore
from cxflow.errors import ConfigError
from cxflow.redaction import remember

_EARLY = timedelta(seconds=60)
"""A token is renewed so long before it expires."""


class Credentials(NamedTuple):
    """What is added to a request."""

    headers: dict[str, str]
    params: dict[str, str] = {}  # noqa: RUF012


class Auth(ABC):
    """A scheme."""

    @abstractmethod
    def credentials(self) -> Credentials:
        """What to add now. May ask for a token first."""

    def renew(self) -> bool:
        """Get new credentials, because the service refused these. False if there are no others."""
        return False


class Anonymous(Auth):
    """No credentials."""

    def credentials(self) -> Credentials:
        """Nothing."""
        return Credentials({})


@dataclass(frozen=True, slots=True)
class Header(Auth):
    """A secret in a header: `Header("X-Shopify-Access-Token", token)`; with a prefix, `Bearer `."""

    name: str
    secret: SecretStr = field(repr=False)
    prefix: str = ""

    def credentials(self) -> Credentials:
        """The header."""
        return Credentials({self.name: self.prefix + self.secret.get_secret_value()})


def bearer(secret: SecretStr) -> Header:
    """`Authorization: Bearer …`."""
    return Header("Authorization", secret, "Bearer ")


@dataclass(frozen=True, slots=True)
class Basic(Auth):
    """HTTP Basic."""

    user: str
    password: SecretStr = field(repr=False)

    def credentials(self) -> Credentials:
        """The header. Its encoded form is masked like the password."""
        text = b64encode(f"{self.user}:{self.password.get_secret_value()}".encode()).decode()
        remember(text)
        return Credentials({"Authorization": f"Basic {text}"})


@dataclass(frozen=True, slots=True)
class Query(Auth):
    """A key in the query string, for services that know no other way."""

    name: str
    secret: SecretStr = field(repr=False)

    def credentials(self) -> Credentials:
        """The parameter."""
        return Credentials({}, {self.name: self.secret.get_secret_value()})


Ask = Callable[[dict[str, str]], dict[str, Any]]
"""Sends a form to the token endpoint, and returns its answer. Raises ConfigError if the grant is refused."""


@dataclass
class _Granted(Auth):
    """A token that an endpoint grants for some time. It is kept for all processes, and one at a time asks for it."""

    ask: Ask
    form: dict[str, str] = field(repr=False)
    store: TokenStore
    header: str = field(default="Authorization", kw_only=True)
    prefix: str = field(default="Bearer ", kw_only=True)
    _used: str = field(default="", init=False, repr=False)
    """The access token that was shown last: only if that is refused is there one to replace."""

    def credentials(self) -> Credentials:
        """The token that is known, while it is good for another minute; else a new one."""
        self._used = self._tokens(refused=None).access
        return Credentials({self.header: self.prefix + self._used})

    def renew(self) -> bool:
        """Replace a token that the service refuses, unless another process already did."""
        self._tokens(refused=self._used)
        return True

    def _tokens(self, refused: str | None) -> Tokens:
        with self.store.locked():
            known = self._known()
            if known is not None and known.access != refused and known.is_good(_EARLY):
                return known
            return self.store.keep(self._asked(known))

    def _known(self) -> Tokens | None:
        """The tokens that were kept last, as far as they count."""
        return self.store.read()

    @abstractmethod
    def _asked(self, known: Tokens | None) -> Tokens:
        """New tokens from the endpoint."""


@dataclass
class ClientCredentials(_Granted):
    """OAuth 2's grant for programs: an id and a secret give a token for some time. There is no refresh token."""

    def _asked(self, known: Tokens | None) -> Tokens:  # noqa: ARG002
        return _granted(self.ask({"grant_type": "client_credentials", **self.form}), None)


@dataclass
class RefreshToken(_Granted):
    """OAuth 2's refresh token. Many services replace it with every use and forget the old one: so the new pair is on
    disk before it is used."""

    first: SecretStr = field(repr=False, kw_only=True)
    """The refresh token of the settings: where the chain begins."""

    def _known(self) -> Tokens | None:
        known = self.store.read()
        # Another beginning: somebody authorised anew.
        return known if known is not None and known.began_with(self.first.get_secret_value()) else None

    def _asked(self, known: Tokens | None) -> Tokens:
        begins = self.first.get_secret_value()
        last = known.refresh if known and known.refresh else begins
        answer = self.ask({"grant_type": "refresh_token", "refresh_token": last, **self.form})
        return _granted(answer, last).beginning(begins)


def _granted(answer: dict[str, Any], last: str | None) -> Tokens:
    """The tokens of an answer. The number of seconds comes as a text from some services."""
    access = answer.get("access_token")
    if not isinstance(access, str) or not access:
        raise ConfigError("the token endpoint gave no access_token", value="access_token")
    seconds = float(answer.get("expires_in") or 0)
    expires = datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
    return Tokens(access, str(answer.get("refresh_token") or last or ""), expires)
