"""What the README of cxflow shows of a help desk is what is printed, shortened."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from cxflow.testing import TestProject

from cxflow_zendesk.service import ZendeskService

README = (Path(__file__).parents[3] / "README.md").read_text()


def test_the_first_screen_is_what_is_printed(zendesk: ZendeskService, project: TestProject) -> None:
    [toml] = [text for text in re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL) if "zendesk" in text]
    [shown] = [
        text for text in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL) if "desk." in text
    ]
    own = project.settings.connections["desk"]
    declared = {**tomllib.loads(toml)["connections"]["desk"], "only": ["tickets", "calls"]}
    project.reconfigure({"connections": {"desk": {**own, **declared}}})
    compared = 0
    for command, *expected in (block.splitlines() for block in shown.split("$ ")[1:]):
        program, *arguments = command.partition("#")[0].split()
        assert program == "cxflow"
        if arguments == ["run"]:
            arguments.append("--no-kpis")  # they are not shown
        done = subprocess.run(
            [sys.executable, "-c", "from cxflow.cli import main; main()", *arguments],
            cwd=project.folder,
            env={**os.environ, **zendesk.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed = [line.split() for line in done.stdout.splitlines()]
        for line in expected:
            assert any(_is_within(line.split(), each) for each in printed), f"{command}: {line}"
        compared += len(expected)
    assert compared == 8


def _is_within(words: list[str], line: list[str]) -> bool:
    """Whether a line has these words, in their order."""
    rest = iter(line)
    return all(word in rest for word in words)
