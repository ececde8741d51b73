"""The environments of bridged programs: one each, so that their libraries meet nobody else's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from cxflow import ConfigError, Settings, SourceError

FOLDER = Path(".cxflow") / "bridges"
"""Below the project's folder."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==[A-Za-z0-9.+!]+")


def folder_of(settings: Settings, name: str) -> Path:
    """The folder of an environment. Raises ConfigError for a name that is not one."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not the name of an environment", value=name)
    return settings.folder / FOLDER / name


def program(settings: Settings, environment: str, name: str) -> str:
    """The path of a program. Raises ConfigError, with the command that installs it, if it is not there."""
    path = folder_of(settings, environment) / "bin" / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise ConfigError(
            f"there is no program {name!r} in the environment {environment!r}",
            value=name,
            fix=f"cxflow bridge install PACKAGE==VERSION --as {environment}",
        )
    return str(path)


def install(settings: Settings, requirements: list[str], name: str | None, python: str | None) -> list[str]:
    """Make an environment with these packages; one that is there is replaced when the new one is complete.

    Returns the programs that it has. Raises ConfigError for a requirement without a version, SourceError if the
    packages cannot be installed.
    """
    for requirement in requirements[:1]:
        if not _REQUIREMENT.fullmatch(requirement):
            raise ConfigError(
                f"{requirement!r} does not say which version",
                value=requirement,
                fix="say it, as NAME==VERSION: what a run brings must not change with the day",
            )
    found = _REQUIREMENT.fullmatch(requirements[0])
    assert found
    target = folder_of(settings, name or found[1])
    aside = target.with_name(f"{target.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Moved afterwards: its programs must not name the folder that it was made in.
        _uv("venv", "--quiet", "--relocatable", "--python", python or sys.executable, str(aside))
        before = _programs(aside)
        _uv("pip", "install", "--quiet", "--python", str(aside / "bin" / "python"), *requirements)
        made = sorted(_programs(aside) - before)
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [each for each in made if each.startswith(("tap-", "source-"))] or made


def _programs(folder: Path) -> set[str]:
    binaries = folder / "bin"
    return {each.name for each in binaries.iterdir()} if binaries.is_dir() else set()


def _uv(*arguments: str) -> None:
    from uv import find_uv_bin

    done = subprocess.run(
        [find_uv_bin(), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(
            f"the packages cannot be installed: {lines[-1][:300] if lines else f'exit code {done.returncode}'}",
            fix="check names and versions, and whether the package index can be reached",
        )
