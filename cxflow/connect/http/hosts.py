"""Which hosts a connection may reach: its own, and none in a private network unless that was configured."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from cxflow.errors import ConfigError, SourceError


def check_base(url: str, *, private_network: bool) -> None:
    """Check a base URL. Raises ConfigError for one that is not https (http in a private network only), has
    credentials, or leads into a private network without leave."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ConfigError("it is no http(s) URL", value="base_url")
    if parts.username or parts.password:
        raise ConfigError("credentials in the URL", value="base_url", fix="leave them out")
    if private_network:
        return
    if parts.scheme != "https":
        raise ConfigError(
            f"{parts.hostname} is asked without encryption",
            value="base_url",
            fix="use https, or set private_network = true",
        )
    for address in _addresses(parts.hostname, parts.port or 443):
        if not address.is_global:
            raise ConfigError(
                f"{parts.hostname} is in a private network",
                value="base_url",
                fix="set private_network = true if that is meant",
            )


def _addresses(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """A host's addresses; none if its name cannot be resolved here, as behind a proxy."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_address(str(each[4][0]).split("%", 1)[0]) for each in found]


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in one spelling."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def check_link(url: str, origins: Collection[str]) -> None:
    """Check that a link leads to one of the connection's hosts. Raises SourceError, which names the host alone."""
    if origin(url) not in origins:
        raise SourceError(
            f"the service links to another host, {urlsplit(url).hostname}, which is not followed",
            value=urlsplit(url).hostname,
        )
