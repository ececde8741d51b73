"""Runs commands in this process, as a person would type them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cxflow.cli.app import app


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer with --json; fails where anything else is on stdout."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Its errors with --json; fails where anything else is on stderr."""
        return [json.loads(line) for line in self.err.splitlines()]


def cxflow(*arguments: object, project: Path | None = None, typed: str | None = None) -> Answer:
    """`cxflow ARGUMENTS`, over a project, with what somebody types when asked."""
    where = ["--project", str(project)] if project else []
    result = CliRunner().invoke(app, [*where, *map(str, arguments)], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def edit(project: Path, old: str, new: str) -> None:
    """Change a project's cxflow.toml."""
    path = project / "cxflow.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
