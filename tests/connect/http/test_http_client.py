"""Single requests: what is sent, and how long a client waits."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from cxflow.connect.http.ahead import Ahead
from cxflow.connect.http.answer import Answer
from cxflow.connect.http.auth import Auth, ClientCredentials, RefreshToken
from cxflow.connect.http.budget import Budget
from cxflow.connect.http.client import Client, without_pauses
from cxflow.connect.http.outcomes import Errors, Rule, Then
from cxflow.connect.http.paging import Relay
from cxflow.connect.http.request import Request
from cxflow.connect.http.tokens import TokenStore
from cxflow.errors import TransientError
from cxflow.model import progress
from cxflow.model.progress import Progress


@pytest.mark.parametrize("grant", ["client_credentials", "refresh_token"])
def test_a_granted_token_stands_in_the_header_that_the_service_reads(tmp_path: Path, grant: str) -> None:
    def ask(form: dict[str, str]) -> dict[str, Any]:
        assert form["grant_type"] == grant
        return {"access_token": "granted-0123", "expires_in": "3600", "refresh_token": "next-0123"}

    store = TokenStore(tmp_path, "acme")
    scheme: Auth = ClientCredentials(ask, {}, store, header="X-Token", prefix="")
    if grant == "refresh_token":
        scheme = RefreshToken(ask, {}, store, first=SecretStr("first-0123"), header="X-Token", prefix="")
    assert scheme.credentials().headers == {"X-Token": "granted-0123"}


def test_a_smaller_page_is_asked_for_wherever_its_size_stands() -> None:
    body = {"query": "query ($first: Int) { … }", "variables": {"first": 9, "after": "c"}}
    request = Request("/graphql", body=body, notes={"came": 4})
    paging = Relay(connection="data.orders", size="variables.first")
    half = paging.smaller(request)
    assert half is not None
    assert half.body == {"query": "query ($first: Int) { … }", "variables": {"first": 4, "after": "c"}}
    assert half.notes == {"came": 4}
    assert paging.smaller(Request("/graphql", body={"variables": {"first": 1}})) is None
    assert body["variables"]["first"] == 9  # type: ignore[index]


def test_notes_survive_in_a_checkpoint_and_are_not_sent() -> None:
    request = Request("/v1/orders", {"size": "2"}, notes={"came": 4})
    assert Request.from_json(request.as_json()) == request
    assert "notes" not in request.sent()
    assert request.with_params(page="2").notes == {"came": 4}


def test_a_pause_that_is_asked_for_in_the_body_is_kept_by_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(Client, "_sleep", staticmethod(lambda seconds, *_: slept.append(seconds)))
    answers = [httpx2.Response(200, json={"error": "slow", "pause": 30}), httpx2.Response(200, json={})]
    client = Client(
        "https://desk.example",
        errors=Errors(("error",), [Rule(200, Then.WAIT, "slow")], in_success=True),
        budget=Budget(tmp_path, "acme"),
        wait=lambda answer: answer.value("pause"),
        transport=httpx2.MockTransport(lambda _: answers.pop(0)),
    )
    with client:
        client.send(Request("/v1/tickets"))
    first, second = slept
    assert first == 0
    assert 25 < second <= 30


def test_the_page_of_a_proxy_is_asked_again_by_a_client_that_counts_points(tmp_path: Path) -> None:
    answers = [
        httpx2.Response(502, text="<html>"),
        httpx2.Response(503, text=""),
        httpx2.Response(200, json={}),
    ]
    client = Client(
        "https://desk.example",
        budget=Budget(tmp_path, "acme"),
        points=lambda answer: answer.value("points"),
        wait=lambda answer: answer.value("pause"),
        transport=httpx2.MockTransport(lambda _: answers.pop(0)),
    )
    with client, without_pauses():
        assert client.send(Request("/v1/tickets")).status == 200


@pytest.mark.parametrize("said", [{"available": 1}, [1, 2], [[], 1, 2], [2**63, 1, 2**70], 7, None, "many"])
def test_points_in_another_form_stop_nothing(tmp_path: Path, said: Any) -> None:
    def points(answer: Answer) -> tuple[float, float, float]:
        found = answer.value("points")
        return found[0], found[1], found[2]

    client = Client(
        "https://desk.example",
        budget=Budget(tmp_path, "acme"),
        points=points,
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json={"points": said})),
    )
    with client:
        assert client.send(Request("/v1/tickets")).status == 200


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"need": "`read_customers` access scope, Ana."}, "(read_customers)"),
        ({"need": None, "path": ["orders", "nodes", 0, "customer"]}, "(orders.nodes.customer)"),
        ({"need": "Ana may not"}, "lacks a right"),
    ],
)
def test_an_error_names_the_right_that_is_missing_and_nobody(error: dict[str, Any], told: str) -> None:
    errors = Errors(
        ("code",),
        [Rule(200, Then.CONFIG, "denied", "lacks a right")],
        in_success=True,
        missing=("need", "path"),
    )
    answer = Answer(json.dumps({"code": "denied", **error}).encode(), datetime.now(UTC))
    outcome = errors.outcome(answer)
    assert outcome.then is Then.CONFIG
    assert told in outcome.why
    assert "Ana" not in outcome.why


def test_a_connection_that_is_made_while_the_client_is_closed_is_closed_too() -> None:
    """A dry run ends while a page is asked for ahead."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        client = Client(f"http://127.0.0.1:{listening.getsockname()[1]}")
        sent = pool.submit(client.send, Request("/records"))
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(4096).startswith(b"GET /records")
            client.close()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            assert sent.result().body == b"{}"
            assert connection.recv(4096) == b"", "the connection stays open"
        with pytest.raises(RuntimeError, match="closed"):
            client.send(Request("/records"))


def test_a_closed_client_does_not_try_again() -> None:
    asked: list[str] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        client.close()
        return httpx2.Response(503)

    client = Client("https://desk.example", transport=httpx2.MockTransport(refuse))
    with without_pauses(), pytest.raises(TransientError, match="503"):
        client.send(Request("/records"))
    assert asked == ["/records"]


def test_a_long_pause_is_told_to_who_shows_progress(tmp_path: Path) -> None:
    answers = [
        httpx2.Response(429, headers={"retry-after": "30"}),
        httpx2.Response(429, headers={"retry-after": "2"}),
        httpx2.Response(200, json={}),
    ]
    client = Client("https://desk.example", transport=httpx2.MockTransport(lambda _: answers.pop(0)))
    heard: list[Progress] = []
    with client, without_pauses(), progress.listening(heard.append):
        progress.report("reading", 400)
        with Ahead(client, of_child=False, points=1.0, right="") as ahead:  # in a thread of its own
            ahead.send(Request("/v1/tickets"))
    assert [(each.done, each.note) for each in heard] == [(400, ""), (400, "waits 30 s, as the service asks")]
