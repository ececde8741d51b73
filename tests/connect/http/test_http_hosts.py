"""A connection reaches its own hosts, and none in a private network unless that was configured."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest

from cxflow.connect.http import hosts, template
from cxflow.errors import ConfigError, SourceError


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://93.184.216.34", "without encryption"),
        ("https://127.0.0.1", "private network"),
        ("https://10.1.2.3:8443", "private network"),
        ("https://169.254.169.254", "private network"),
        ("https://[::1]", "private network"),
        ("https://[::ffff:10.0.0.1]", "private network"),
        ("https://user:password@93.184.216.34", "credentials in the URL"),
        ("file:///etc/passwd", "no http"),
        ("https://", "no http"),
    ],
)
def test_what_is_not_meant_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        hosts.check_base(url, private_network=False)
    assert "password@" not in str(caught.value)


def test_a_public_host_and_a_configured_private_one_are_allowed() -> None:
    hosts.check_base("https://93.184.216.34", private_network=False)
    hosts.check_base("http://127.0.0.1:8000", private_network=True)


def test_a_name_that_leads_into_a_private_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, 0, 0, "", (each, port)) for each in ("93.184.216.34", "192.168.1.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ConfigError, match=r"api\.example\.org is in a private network"):
        hosts.check_base("https://api.example.org", private_network=False)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x",
        "http://api.example.org/x",
        "https://api.example.org:8443/x",
        "https://api.example.org.evil.example/x",
        "https://api.example.org@evil.example/x",
        "//evil.example/x",
    ],
)
def test_a_link_elsewhere_is_refused(link: str) -> None:
    with pytest.raises(SourceError, match="another host"):
        hosts.check_link(link, {hosts.origin("https://api.example.org")})


def test_a_link_on_the_host_is_followed_however_it_is_spelled() -> None:
    hosts.check_link("https://API.example.org:443/x", {hosts.origin("https://api.example.org")})


AT = datetime(2026, 3, 1, 10, 15, 30, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("{start}", "2026-03-01T10:15:30Z"),
        ("{start:iso_ms}", "2026-03-01T10:15:30.250Z"),
        ("{start:naive}", "2026-03-01T10:15:30"),
        ("{start:epoch}", "1772360130"),
        ("{start:epoch_ms}", "1772360130250"),
        ("{start:%Y-%m-%d}", "2026-03-01"),
        ("updated_at:>='{start}'", "updated_at:>='2026-03-01T10:15:30Z'"),
        ({"a": "{none}", "b": ["{parents}", 7, "{account}"]}, {"b": [["1", "2"], 7, "acme"]}),
    ],
)
def test_a_declaration_is_filled(declared: object, expected: object) -> None:
    places = {"start": AT, "none": None, "parents": ["1", "2"], "account": "acme"}
    assert template.filled(declared, places) == expected


def test_a_value_stays_one_step_of_a_path() -> None:
    assert template.filled_path("/forms/{parent}/x", {"parent": "a/../b?c"}) == "/forms/a%2F..%2Fb%3Fc/x"
