"""`docs/cli.md` has every command with all its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import cxflow
from cxflow.cli.app import app

PAGE = (Path(cxflow.__file__ or "").parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands(group: Any, path: str = "cxflow") -> Iterator[tuple[str, Any]]:
    """Every command below a group, by what one types."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(get_command(app)))


def options(command: Any) -> set[str]:
    """The long options of a command."""
    return {
        opt for param in command.params for opt in (*param.opts, *param.secondary_opts) if opt[:2] == "--"
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_section_with_all_its_options(name: str) -> None:
    match = re.search(rf"^### `{name}\b.*?(?=^##)", PAGE + "\n## ", flags=re.DOTALL | re.MULTILINE)
    assert match, f"docs/cli.md has no section on {name}"
    everywhere = options(get_command(app)) | {"--help"}
    assert [each for each in options(COMMANDS[name]) - everywhere if each not in match[0]] == []


def groups(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every group of commands, by what one types after `cxflow`; the whole is one."""
    yield path
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*path, name))


TYPED = [*groups(get_command(app)), *(tuple(name.split()[1:]) for name in COMMANDS)]


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_no_flag_shows_a_type(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert "--help" in shown.output
    assert "<bool>" not in shown.output


def test_the_shared_options_are_described() -> None:
    assert [each for each in options(get_command(app)) if each not in PAGE] == []


def test_nothing_is_described_that_is_not_there() -> None:
    told = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    there = set().union(*(options(command) for command in COMMANDS.values()))
    assert told - there - options(get_command(app)) - {"--help"} == set()
