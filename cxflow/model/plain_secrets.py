"""Finds secrets that are written into `cxflow.toml` itself, where they would be copied, committed and mailed with it.

A text counts as a secret by the name of its setting, or as the password in a URL. `${NAME}` is no secret: its value
comes from the environment. Called by `settings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cxflow import redaction

REFERENCE = '{ env = "NAME" }, { file = "path" } or { airflow = "conn_id" }'

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SECRETS = frozenset(
    [
        "secret",
        "token",
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "credential",
        "credentials",
        "pkey",
        "apikey",
        "authorization",
        "salt",
    ]
)
"""A setting whose name ends in one of these words is a secret: `client_secret`, `sasToken`; not `token_url`."""
_KEYS = frozenset(
    [
        "api",
        "app",
        "application",
        "access",
        "account",
        "auth",
        "client",
        "consumer",
        "encryption",
        "private",
        "secret",
        "service",
        "shared",
        "signing",
        "subscription",
    ]
)
"""What makes a `…_key` a secret; a `primary_key` or a `sort_key` is none."""
_WAYS = ("_method", "_type")
"""In a table of secrets, a setting with such an ending names the way to log in: Airbyte's `credentials.auth_method`."""
_OF_RECORDS = frozenset({"to", "identifiers", "expect", "policies"})
"""Settings of a stream with names of columns and namespaces as keys."""
_WORDS_OF_LIBRARIES = frozenset({"anon", "browser", "cache", "cloud", "google_default"})
"""Values of gcsfs's `token` that name a way to log in."""

_URL = re.compile(
    r"""^(?:\w+::)*[a-z][\w+.-]*://
        (?!\[)[^\s/?\#@:]*:(?!\d+/)(?P<password>[^\s@]+)@""",
    re.VERBOSE | re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"(?:^|[\s?&;])(?:ssl|sas)?(?:password|passwd|pwd|passphrase|token|access_token|api_key|apikey|secret|sig)"
    r"\s*=\s*(?P<password>[^\s&;]+)",
    re.IGNORECASE,
)
"""A password among the parameters of a URL or the words of a connection string."""
_DSN = frozenset({"url", "uri", "dsn", "conninfo", "connection_string"})


def lines(tree: dict[str, Any]) -> list[str]:
    """What is wrong with a configuration as written, one line per setting. No line quotes a value."""
    found = {}
    for path, text, is_secret in _texts(tree):
        if is_secret and _is_written(text):
            found[path] = f"a secret is not written here; set where it is found: {REFERENCE}"
        elif any(_is_written(each) for each in _passwords(path[-1], text)):
            found[path] = f"a URL with a password is not written here; {_way(path)}"
    return [f"{'.'.join(path)}: {what}" for path, what in found.items()]


def remember(tree: dict[str, Any]) -> None:
    """Mask the secrets of a configuration that came from the environment by `${NAME}`."""
    for path, text, is_secret in _texts(tree):
        for secret in [text] if is_secret else _passwords(path[-1], text):
            redaction.remember(secret)


def _texts(tree: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """The texts that may be secrets: the setting, its text, and whether its name says that it is one."""
    for name in ("warehouse", "landing", "connections", "templates"):
        yield from _walk(tree.get(name), (name,), is_secret=False)
    identity = tree.get("identity")
    if isinstance(identity, dict):  # `ignore` has namespaces as keys
        yield from _walk(identity.get("salt"), ("identity", "salt"), is_secret=True)


def _walk(
    value: Any, path: tuple[str, ...], *, is_secret: bool
) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    if isinstance(value, dict):
        is_reference = bool(value) and value.keys() <= {"env", "file", "airflow", "field"}
        if is_reference or (
            is_secret and path[0] in ("warehouse", "identity")
        ):  # a misspelt one: its model says so
            return
        # The names of connections, streams and templates are no settings.
        are_names = path in (("connections",), ("templates",)) or (len(path) == 3 and path[2] == "streams")
        of_stream = (path[0] == "templates" and len(path) == 2) or (
            path[0] == "connections" and len(path) == 4 and path[2] == "streams"
        )
        for key, item in value.items():
            if not (of_stream and key in _OF_RECORDS):
                is_way = path[0] == "connections" and key.endswith(_WAYS)
                named = (is_secret and not is_way) or (not are_names and _is_secret(key))
                yield from _walk(item, (*path, key), is_secret=named)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, path, is_secret=is_secret)
    elif isinstance(value, str):
        yield path, value, is_secret and value not in _WORDS_OF_LIBRARIES


def _is_secret(key: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", key)]
    if not words:
        return False
    if words[-1] == "key":
        return len(words) == 1 or words[-2] in _KEYS
    return words[-1] in _SECRETS


def _is_written(text: str) -> bool:
    """Whether more of a text stands in the file than references to the environment."""
    return bool(_REFERENCE.sub("", text).strip())


def _passwords(key: str, text: str) -> Iterator[str]:
    """The passwords in a URL or connection string."""
    if found := _URL.search(text):
        yield found["password"]
    if "://" in text or key in _DSN:
        yield from (each["password"] for each in _PARAMETER.finditer(text))


def _way(path: tuple[str, ...]) -> str:
    if path == ("warehouse", "url"):
        return f"leave it out of the URL and set warehouse.password = {REFERENCE}"
    if path == ("landing", "url"):
        return f"leave it out of the URL and set it in landing.storage_options: {REFERENCE}"
    if "streams" in path or path[0] == "templates" or path[-1] == "root":
        return f"leave it out and set it in the connection's storage_options: {REFERENCE}"
    return f"set where it is found: {REFERENCE}"
