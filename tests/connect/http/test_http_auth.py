"""Tokens that a service replaces are on disk before they are used, and one process at a time asks for them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from invented_desk import Desk, InventedDesk, configuration
from pydantic import SecretStr

from cxflow import redaction, sources
from cxflow.connect.http.auth import Basic, ClientCredentials, RefreshToken
from cxflow.connect.http.tokens import Tokens, TokenStore
from cxflow.errors import ConfigError, TransientError
from cxflow.testing import TestProject

FIRST = SecretStr("first-refresh-token")


class Rotating:
    """A token endpoint that knows one refresh token at a time: each use replaces it."""

    def __init__(self) -> None:
        self.valid = FIRST.get_secret_value()
        self.granted = 0
        self.lasts = 3600.0
        self.lock = threading.Lock()
        self.fails: list[Exception] = []

    def ask(self, form: dict[str, str]) -> dict[str, Any]:
        with self.lock:
            if self.fails:
                raise self.fails.pop()
            if form["refresh_token"] != self.valid:
                raise ConfigError("the token endpoint refuses the credentials: status 400 (invalid_grant)")
            time.sleep(0.01)
            self.granted += 1
            self.valid = f"refresh-token-{self.granted}"
            return {
                "access_token": f"access-token-{self.granted}",
                "refresh_token": self.valid,
                "expires_in": str(self.lasts),
            }


@pytest.fixture
def service() -> Rotating:
    return Rotating()


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens", "acme")


def auth(service: Rotating, store: TokenStore, first: SecretStr = FIRST) -> RefreshToken:
    return RefreshToken(service.ask, {"client_id": "x"}, store, first=first)


def shown(scheme: RefreshToken | ClientCredentials) -> str:
    return scheme.credentials().headers["Authorization"]


def test_a_token_is_asked_for_once_and_used_until_it_expires(service: Rotating, store: TokenStore) -> None:
    assert {shown(auth(service, store)) for _ in range(3)} == {"Bearer access-token-1"}
    assert service.granted == 1
    kept = store.read()
    assert kept is not None
    store.keep(Tokens(kept.access, kept.refresh, datetime.now(UTC) + timedelta(seconds=30), kept.origin))
    assert shown(auth(service, store)) == "Bearer access-token-2", "renewed a minute before it expires"


def test_many_at_once_ask_once(service: Rotating, store: TokenStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: shown(auth(service, store)), range(16)))
    assert found == {"Bearer access-token-1"}
    assert service.granted == 1


def test_a_refused_token_is_renewed_once_for_all_that_met_it(service: Rotating, store: TokenStore) -> None:
    one, other = auth(service, store), auth(service, store)
    assert shown(one) == shown(other)
    assert one.renew()
    assert other.renew(), "it met the token that the first one replaced"
    assert (service.granted, shown(other), shown(one)) == (2, *["Bearer access-token-2"] * 2)


def test_the_new_pair_is_on_disk_before_it_is_used(
    service: Rotating, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    # A process that dies between the grant and the request: the next one goes on with the pair.
    monkeypatch.setattr("cxflow.connect.http.auth.Credentials", killed)
    with pytest.raises(KeyboardInterrupt):
        auth(service, store).credentials()
    monkeypatch.undo()
    assert shown(auth(service, store)) == "Bearer access-token-1"
    assert service.granted == 1


def test_trouble_at_the_endpoint_loses_no_token(service: Rotating, store: TokenStore) -> None:
    shown(auth(service, store))
    service.fails.append(TransientError("the token endpoint answered status 503"))
    scheme = auth(service, store)
    shown(scheme)
    with pytest.raises(TransientError):
        scheme.renew()
    assert scheme.renew()
    assert shown(auth(service, store)) == "Bearer access-token-2"


def test_a_new_refresh_token_in_the_settings_begins_a_new_chain(service: Rotating, store: TokenStore) -> None:
    shown(auth(service, store))
    service.valid = "authorised-anew"
    assert shown(auth(service, store, SecretStr("authorised-anew"))) == "Bearer access-token-2"


def test_a_refresh_token_that_is_not_replaced_is_kept(store: TokenStore) -> None:
    asked = []

    def ask(form: dict[str, str]) -> dict[str, Any]:
        asked.append(form["refresh_token"])
        return {"access_token": f"a{len(asked)}", "expires_in": 1800}

    scheme = RefreshToken(ask, {}, store, first=FIRST)
    scheme.credentials()
    scheme.renew()
    assert asked == [FIRST.get_secret_value()] * 2


def test_client_credentials_ask_again_when_the_token_is_refused(store: TokenStore) -> None:
    asked: list[dict[str, str]] = []

    def ask(form: dict[str, str]) -> dict[str, Any]:
        asked.append(form)
        return {"access_token": f"access-{len(asked)}", "expires_in": 100}

    scheme = ClientCredentials(ask, {"client_id": "i", "client_secret": "s"}, store)
    assert [shown(scheme), shown(scheme)] == ["Bearer access-1"] * 2
    scheme.renew()
    assert shown(scheme) == "Bearer access-2"
    assert asked[0] == {"grant_type": "client_credentials", "client_id": "i", "client_secret": "s"}


def test_tokens_are_their_owners_alone_and_masked(
    service: Rotating, store: TokenStore, tmp_path: Path
) -> None:
    shown(auth(service, store))
    for path in (tmp_path / "tokens", *(tmp_path / "tokens").iterdir()):
        assert path.stat().st_mode & 0o077 == 0
    assert redaction.masked("access-token-1 and refresh-token-1") == "*** and ***"
    scheme = Basic("agent", SecretStr("pa:ss-word"))
    header = scheme.credentials().headers["Authorization"]
    assert redaction.masked(header) == "Basic ***"
    assert "pa:ss-word" not in repr(scheme)


def test_a_file_that_is_damaged_is_named_and_not_its_content(store: TokenStore, tmp_path: Path) -> None:
    store.keep(Tokens("access-token-9", "refresh-token-9"))
    [file] = (tmp_path / "tokens").glob("*.json")
    file.write_text(file.read_text()[:-5])
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        store.read()
    assert str(file) == caught.value.value
    assert "token-9" not in str(caught.value)


def test_accounts_at_one_address_share_neither_budget_nor_tokens(
    desk: Desk, project: TestProject, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_TOKEN", "the-token-of-another-account")
    tree = configuration(address)
    tree["connections"]["other"] = {**tree["connections"]["desk"], "token": {"env": "OTHER_TOKEN"}}
    project.reconfigure(tree)
    one, other = (sources.open_connection(project.settings, name) for name in ("desk", "other"))
    assert isinstance(one, InventedDesk)
    assert isinstance(other, InventedDesk)
    assert one.account != other.account
    assert "the-token-of-another-account" not in other.account
    one.token_store().keep(Tokens("access-token-of-one"))
    assert other.token_store().read() is None
    kept = one.token_store().read()
    assert kept is not None
    assert kept.access == "access-token-of-one"
