"""What a service says when it refuses: each time another error with its class; the state is as it was, and once the
cause is gone, nothing is missing."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cli_runner import cxflow
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cxflow.testing import TestProject
from cxflow.testing.service import served, without_pauses

sys.path.insert(0, str(Path(__file__).parents[1] / "connect" / "http"))

from invented_desk import TOKEN, Desk, InventedDesk, answer, configuration, ticket

_PLUGIN = """
from cxflow import hookimpl, http
from invented_desk import InventedDesk


class Connection(http.OAuthConnection):
    account: str


class OAuthDesk(InventedDesk):
    name = "oauth_desk"
    connection_model = Connection

    def auth(self, client):
        return self.refreshed(client, "/oauth/token")


@hookimpl
def cxflow_connectors():
    return [OAuthDesk]
"""


FIRST = "2026-03-03T12:00:00Z"
"""Three tickets have changed until then, eight until the next run's end."""


@dataclass
class Company:
    """A project that reads the invented desk."""

    desk: Desk
    project: TestProject
    monkeypatch: pytest.MonkeyPatch
    refresh_token_is_valid: bool = True
    errors: list[dict[str, Any]] = field(default_factory=list)

    def run(self, name: str = "desk.tickets", until: str = "2026-03-09") -> int:
        """`cxflow run`; keeps its errors."""
        found = cxflow("run", name, "--until", until, "--no-kpis", "--json", project=self.project.folder)
        self.errors = [each for each in found.errors if "error" in each]
        return found.code

    def state(self) -> list[Any]:
        """The cursors, and what has been loaded."""
        return [
            self.project.query("SELECT * FROM stream_state"),
            self.project.query("SELECT count(*) FROM touchpoint"),
            self.project.query("SELECT count(*) FROM load_run"),
            self.project.query("SELECT count(*) FROM quarantine"),
        ]

    def token(self, request: Request) -> Response:
        """The token endpoint: each refresh token gives one access token, which is always the same."""
        if not self.refresh_token_is_valid:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"access_token": TOKEN, "expires_in": 1})


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    desk = Desk([ticket(number, number) for number in range(1, 4)])
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    monkeypatch.setenv("DESK_SECRET", "an-applications-secret")
    (tmp_path / "oauth_desk.py").write_text(_PLUGIN)
    application = desk.application()
    application.add_route("/oauth/token", lambda request: made.token(request), methods=["POST"])
    with served(application) as url, without_pauses():
        tree = configuration(url, start="2026-03-01")
        tree["plugins"].append("oauth_desk")
        tree["connections"]["oauth"] = {
            **{name: value for name, value in tree["connections"]["desk"].items() if name != "token"},
            "connector": "oauth_desk",
            "client_id": "an-application",
            "client_secret": {"env": "DESK_SECRET"},
            "refresh_token": {"env": "DESK_TOKEN"},
        }
        made = Company(desk, TestProject(tmp_path, tree), monkeypatch)
        yield made


def wrong_token(company: Company) -> None:
    company.monkeypatch.setenv("DESK_TOKEN", "another-token-0123456789")


def refused(*trouble: Any, **more: Any) -> Callable[[Company], None]:
    """Every request gets this answer."""
    return lambda company: company.desk.trouble.extend([answer(*trouble, **more)] * 60)


def unknown_host(company: Company) -> None:
    """The account is a part of the host's name, and that is not known."""

    def look_up(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    company.monkeypatch.setattr(socket, "getaddrinfo", look_up)
    tree = company.project.settings.connections["desk"]
    company.project.reconfigure(
        {
            "plugins": ["invented_desk", "oauth_desk"],
            "connections": {"desk": {**tree, "base_url": "http://acmee.desk.example"}},
        }
    )


CASES: dict[str, tuple[Callable[[Company], None], str, int, str]] = {
    "wrong token": (wrong_token, "ConfigError", 78, "status 401 (unauthorised)|check the token"),
    "missing scope": (
        refused(403, {"error": "missing_scope"}),
        "ConfigError",
        78,
        "status 403 (missing_scope)|right tickets:read",
    ),
    "unknown account": (
        refused(404, {"error": "no_account"}),
        "ConfigError",
        78,
        "there is no account of that name|check account",
    ),
    "unknown host": (unknown_host, "TransientError", 75, "there is no host acmee.desk.example|"),
    "exhausted daily quota": (
        refused(429, {"error": "daily"}),
        "TransientError",
        75,
        "the quota is used up|the next run goes on there",
    ),
    "an endpoint that is gone": (
        refused(410, {"error": "gone"}),
        "SourceError",
        66,
        "it has withdrawn this endpoint|newer version of the connector",
    ),
    "no such endpoint": (refused(404, {}), "SourceError", 66, "there is no such endpoint|check the address"),
    "a page that is not JSON": (
        refused(200, b"<html>Please log in</html>", content_type="text/html"),
        "TransientError",
        75,
        "text/html, which is no JSON|",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_refusal_is_another_error_and_nothing_is_lost(
    company: Company, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxflow import http

    break_it, kind, code, said = CASES[case]
    rule = http.Rule(404, http.Then.CONFIG, "no_account", "there is no account of that name", "check account")
    monkeypatch.setattr(
        InventedDesk, "errors", InventedDesk.errors._replace(rules=(*InventedDesk.errors.rules, rule))
    )
    tickets = InventedDesk.declared[0].model_copy(update={"right": "tickets:read", "sweeps": ()})
    monkeypatch.setattr(InventedDesk, "declared", (tickets,))
    assert company.run(until=FIRST) == 0, company.errors
    company.desk.tickets += [ticket(number, number) for number in range(4, 9)]
    before, tree = company.state(), dict(company.project.settings.connections)

    with company.monkeypatch.context() as broken:
        healthy, company.monkeypatch = company.monkeypatch, broken
        break_it(company)
        assert company.run() == code
        company.monkeypatch = healthy

    [error] = company.errors
    message, fix = said.split("|")
    assert (error["error"], error["connection"], error["stream"]) == (kind, "desk", "tickets")
    assert message in error["message"]
    assert fix in (error["fix"] or "")
    others = [each[3].split("|")[0] for name, each in CASES.items() if name != case]
    assert not any(other in error["message"] for other in others if other not in message)
    assert TOKEN not in str(error)
    assert company.state() == before

    company.desk.trouble.clear()
    company.project.reconfigure({"plugins": ["invented_desk", "oauth_desk"], "connections": tree})
    assert company.run() == 0, company.errors
    assert company.project.query("SELECT count(*) FROM touchpoint") == [(8,)]


def test_a_revoked_refresh_token_is_told_and_nothing_is_lost(company: Company) -> None:
    assert company.run("oauth.tickets", FIRST) == 0
    company.desk.tickets += [ticket(number, number) for number in range(4, 9)]
    before = company.state()
    company.refresh_token_is_valid = False
    assert company.run("oauth.tickets") == 78
    [error] = company.errors
    assert error["error"] == "ConfigError"
    assert "the token endpoint refuses the credentials: status 400 (invalid_grant)" in error["message"]
    assert "set the new refresh token" in error["fix"]
    assert company.state() == before
    company.refresh_token_is_valid = True
    assert company.run("oauth.tickets") == 0
    assert company.project.query("SELECT count(*) FROM touchpoint") == [(8,)]


def test_the_doctor_says_which_streams_can_be_read_and_which_right_another_lacks(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets, comments = InventedDesk.declared
    monkeypatch.setattr(
        InventedDesk, "declared", (tickets, comments.model_copy(update={"right": "comments:read"}))
    )
    company.desk.comments = {1: []}

    def trouble(request: Request) -> Response | None:
        is_comments = request.url.path.endswith("/comments")
        return JSONResponse({"error": "missing_scope"}, 403) if is_comments else None

    company.desk.trouble.extend([trouble] * 60)
    checked = cxflow("doctor", "--json", project=company.project.folder)
    assert checked.code == 78
    found = {each["subject"]: each for each in checked.json if each["subject"].startswith("desk")}
    assert found["desk.tickets"]["state"] == "ok"
    assert found["desk.comments"]["state"] == "failed"
    assert "status 403 (missing_scope)" in found["desk.comments"]["says"]
    assert "the right comments:read" in found["desk.comments"]["fix"]
    assert found["desk"]["says"] == "1 of 2 streams can be read"
    assert found["desk"]["fix"] == 'only = ["tickets"] leaves out the others'


def test_the_doctor_needs_no_parent_to_end(company: Company) -> None:
    company.desk.tickets = []
    checked = cxflow("doctor", "--json", project=company.project.folder).json
    assert [each["state"] for each in checked if each["subject"] == "desk.comments"] == ["ok"]
