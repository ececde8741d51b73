"""Runs a program that writes JSON lines, and reads them in blocks.

What it writes to stderr is logged for debugging only: it may quote records.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cxflow import ConfigError, FatalError, SourceError, TransientError

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 256 << 20
_ENDING_SECONDS = 10.0
_RAISED = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit|Interrupt))\b")
_OF_SETTINGS = re.compile(
    r"config|auth|credential|permission|forbidden|validation|scope|login", re.IGNORECASE
)
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_KEPT_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Program:
    """A program. The files with its settings are in a folder that is its owner's alone."""

    def __init__(self, path: str, environment: Mapping[str, str]) -> None:
        self.name = Path(path).name
        self._path = path
        # Secrets of other connections are none of its business.
        kept = {name: os.environ[name] for name in (*_KEPT_VARIABLES, *_KEPT_PROXIES) if name in os.environ}
        self._environment = {**kept, "PYTHONUNBUFFERED": "1", **environment}
        self._last_raised = ""

    @contextmanager
    def files(self, **contents: Any) -> Iterator[dict[str, str]]:
        """Write files of JSON: name to path."""
        with tempfile.TemporaryDirectory(prefix="cxflow-bridge-") as folder:
            paths = {}
            for name, content in contents.items():
                path = Path(folder) / f"{name}.json"
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                    json.dump(content, file)
                paths[name] = str(path)
            yield paths

    def output(self, arguments: Sequence[str]) -> bytes:
        """Everything that it writes."""
        return b"\n".join(self.lines(arguments))

    def lines(self, arguments: Sequence[str]) -> Iterator[bytes]:
        """Its lines, until it ends. It is ended if no more of them are wanted.

        Raises ConfigError, TransientError or SourceError if it fails.
        """
        try:
            process = subprocess.Popen(
                [self._path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as problem:
            raise ConfigError(f"{self.name} cannot be run: {problem.strerror}", value=self.name) from None
        told = threading.Thread(target=self._listen, args=(process,), daemon=True)
        told.start()
        try:
            yield from _lines(process, self.name)
            code = process.wait()
        finally:
            _end(process)
            told.join(_ENDING_SECONDS)
        if code:
            raise self._failure(code)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Read what it writes to stderr, and remember the kind of the last exception."""
        assert process.stderr
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in process.stderr:
                text = line.decode("utf-8", "replace").strip()
                if found := _RAISED.match(text):
                    self._last_raised = found[1]
                log.debug("%s: %s", self.name, text)

    def _failure(self, code: int) -> FatalError | TransientError:
        kind = f" ({self._last_raised})" if self._last_raised else ""
        if code < 0:
            return TransientError(f"{self.name} was ended by signal {-code}", value=self.name)
        if _OF_SETTINGS.search(self._last_raised):
            return ConfigError(
                f"{self.name} refuses its settings: exit code {code}{kind}",
                value=self.name,
                fix="check the connection's config; --verbose shows what it writes",
            )
        return TransientError(
            f"{self.name} ended with exit code {code}{kind}",
            value=self.name,
            fix="--verbose shows what it writes",
        )


def _lines(process: subprocess.Popen[bytes], name: str) -> Iterator[bytes]:
    """Complete lines, cut from blocks; blank ones are left out."""
    assert process.stdout
    rest = b""
    while block := process.stdout.read1(_BLOCK_BYTES):  # type: ignore[attr-defined]
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE_BYTES:
            raise SourceError(f"{name} writes a line of more than {_LONGEST_LINE_BYTES:,} bytes", value=name)
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, and what it started."""
    for signal in (15, 9):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_SECONDS)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
