"""Credentials, rate limits, and what a user reads when HubSpot refuses."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from account import contact
from conftest import settings
from cxflow import ConfigError, CxflowError, TransientError, http, sources
from cxflow.testing import TestProject
from starlette.responses import Response

from cxflow_hubspot.connector import HubSpot
from cxflow_hubspot.service import HubSpotService, refusal, too_many

NOW = datetime(2026, 3, 5, tzinfo=UTC)


def run(project: TestProject) -> Any:
    return project.run("crm", "contacts", end=NOW)["crm.contacts"].counts


def test_a_refresh_token_gives_a_token_that_later_runs_use_too(
    tmp_path: Path, hubspot: HubSpotService, address: str
) -> None:
    configuration = settings(hubspot, address)
    configuration["connections"]["crm"] = hubspot.connection(address, oauth=True)
    project = TestProject(tmp_path, configuration)
    assert run(project).inserted == 3
    run(project)
    assert len(hubspot.granted) == 1
    hubspot.granted.append("granted-to-another-process")  # the one before is good no more
    hubspot.token = ""
    run(project)
    assert len(hubspot.granted) == 3
    kept = (tmp_path / ".cxflow" / "tokens").glob("*.json")
    assert [file.stat().st_mode & 0o077 for file in kept] == [0]


def test_a_revoked_refresh_token_is_said_without_the_token(
    tmp_path: Path, hubspot: HubSpotService, address: str
) -> None:
    configuration = settings(hubspot, address)
    configuration["connections"]["crm"] = hubspot.connection(address, oauth=True)
    project = TestProject(tmp_path, configuration)
    hubspot.refresh_token = "another"
    with pytest.raises(ConfigError, match="refuses the credentials: status 400") as caught:
        run(project)
    assert "imitation" not in str(caught.value)


@pytest.mark.parametrize(
    "credentials",
    [{}, {"token": {"env": "HUBSPOT_TOKEN"}, "client_id": "app"}, {"client_id": "app"}],
)
def test_half_a_credential_or_two_are_refused(
    project: TestProject, address: str, credentials: dict[str, Any]
) -> None:
    project.reconfigure(
        {"connections": {"crm": {"connector": "hubspot", "base_url": address, **credentials}}}
    )
    with pytest.raises(CxflowError, match="set either token, or client_id"):
        sources.lint(project.settings, "crm")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (refusal(401, "INVALID_AUTHENTICATION"), ConfigError, r"status 401 \(INVALID_AUTHENTICATION\)"),
        (refusal(403, "MISSING_SCOPES"), ConfigError, r"lacks a scope.*crm\.objects\.contacts\.read"),
        (Response("error code: 1016", 530), ConfigError, "status 530.*copied whole"),
        (too_many("DAILY"), TransientError, r"status 429 \(DAILY\).*midnight in the account's time zone"),
    ],
)
def test_a_refusal_says_what_is_missing(
    hubspot: HubSpotService, project: TestProject, answer: Response, error: type[Exception], said: str
) -> None:
    hubspot.trouble.append(lambda _: answer)
    with pytest.raises(error, match=f"(?s)crm.contacts.*{said}"):
        run(project)
    assert len(hubspot.asked) == 1, "nobody asks again"


@pytest.mark.parametrize(
    ("policy", "seconds"), [("SECONDLY", 1), ("TEN_SECONDLY_ROLLING", 10), ("ANOTHER", 10)]
)
def test_a_policys_name_says_how_long_to_wait(policy: str, seconds: float) -> None:
    body = bytes(too_many(policy).body)
    outcome = HubSpot.errors.outcome(http.Answer(body, NOW, 429))
    assert (outcome.then, outcome.seconds) == (http.Then.WAIT, seconds)


def test_a_limit_that_was_reached_costs_nothing(
    hubspot: HubSpotService, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    hubspot.trouble.append(lambda _: too_many("SECONDLY"))
    assert run(project).inserted == 3
    assert max(slept, default=0) == pytest.approx(1, abs=0.5)


@pytest.mark.rates
def test_searches_are_spread_over_time_and_the_limit_costs_nothing(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.searches_per_second = 5
    hubspot.objects["contacts"] = [contact(number) for number in range(1, 1402)]
    began = time.monotonic()
    assert run(project).inserted == 1401
    assert time.monotonic() - began >= 7 * 0.25, "eight pages, four a second"
    assert len(hubspot.searched) == 8


def test_each_account_has_its_own_budget(hubspot: HubSpotService, project: TestProject, address: str) -> None:
    other = {**hubspot.connection(address), "token": {"env": "HUBSPOT_REFRESH_TOKEN"}}
    configuration = settings(hubspot, address)
    configuration["connections"]["other"] = other
    project.reconfigure(configuration)
    accounts = {sources.open_connection(project.settings, name).account for name in ("crm", "other")}
    assert len(accounts) == 2
    assert not [account for account in accounts if hubspot.token in account]
