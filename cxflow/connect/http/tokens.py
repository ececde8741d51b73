"""Tokens that a service replaces, kept outside of the landing zone in files that are their owner's alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cxflow import private_files
from cxflow.errors import ConfigError
from cxflow.redaction import remember


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint granted."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    expires: datetime | None = None
    """None: not said."""
    origin: str = ""
    """A hash of the refresh token that the chain began with."""

    def is_good(self, early: timedelta) -> bool:
        """Whether it is still good for so long."""
        return self.expires is None or datetime.now(UTC) + early < self.expires

    def began_with(self, first: str) -> bool:
        """Whether its chain began with this refresh token."""
        return self.origin == _hash(first)

    def beginning(self, first: str) -> Tokens:
        """The same, of a chain that began with this refresh token."""
        return replace(self, origin=_hash(first))


class TokenStore:
    """The tokens of one account, in one file."""

    def __init__(self, folder: Path, account: str) -> None:
        self._folder = folder
        self._path = folder / f"{_hash(account)[:32]}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the account's lock in the block. It goes with the process, however that ends."""
        private_files.folder(self._folder)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def read(self) -> Tokens | None:
        """The tokens kept last; None if there are none."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            expires = datetime.fromisoformat(found["expires"]) if found["expires"] else None
            tokens = Tokens(found["access"], found["refresh"], expires, found["origin"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError):
            raise ConfigError(
                "the file with the account's tokens cannot be read",
                value=str(self._path),
                fix="remove it, and authorise cxflow anew if the service replaces refresh tokens",
            ) from None
        remember(tokens.access)
        remember(tokens.refresh)
        return tokens

    def keep(self, tokens: Tokens) -> Tokens:
        """Write tokens so that they outlive this process and the machine's power; returns them."""
        private_files.folder(self._folder)
        remember(tokens.access)
        remember(tokens.refresh)
        text = json.dumps(
            {
                "access": tokens.access,
                "refresh": tokens.refresh,
                "expires": tokens.expires.isoformat() if tokens.expires else None,
                "origin": tokens.origin,
            }
        )
        aside = self._path.with_suffix(".new")
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(file, text.encode())
            os.fsync(file)
        finally:
            os.close(file)
        aside.replace(self._path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return tokens


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
