"""Reads `cxflow.toml`, with the environment's variables in their places."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxflow.errors import ConfigError
from cxflow.model import plain_secrets
from cxflow.model.names import is_text
from cxflow.settings.mistakes import explain
from cxflow.settings.tree import Settings

FILE_NAME = "cxflow.toml"
LARGEST_FILE_BYTES = 10_000_000
"""More than a thousand streams need."""
DEEPEST_TABLE = 50
"""How deep tables and lists may be nested: several times what any setting needs."""


def load(folder: Path) -> Settings:
    """Read and check the project's `cxflow.toml`.

    Raises ConfigError with each invalid setting, and the nearest valid name for a misspelt one. Of connections, only
    the names are checked here; their connectors check the rest, and that their environment variables are set.
    """
    try:
        tree = _parsed(folder / FILE_NAME)
        home = folder.resolve()
    except OSError as problem:
        raise ConfigError(f"{FILE_NAME} in {folder} cannot be read: {problem.strerror}") from problem
    if not is_text(str(home)):
        raise ConfigError(f"the path of the project's folder is not UTF-8: {str(home)!r}", fix="rename it")
    if written := plain_secrets.lines(tree):
        raise ConfigError(
            f"{FILE_NAME}:\n" + "\n".join(written),
            fix="and change every secret that was in the file: copies of it may be anywhere",
        )
    unset: dict[str, ConfigError] = {}
    expanded = _expand(tree, "", unset)
    plain_secrets.remember(expanded)
    try:
        settings = Settings.model_validate(expanded, context={"folder": home})
    except ValidationError as problem:
        raise ConfigError(f"{FILE_NAME}:\n{explain(problem, Settings)}") from problem
    settings._folder, settings._unset = home, unset
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    """The file's content. Raises ConfigError if it is missing, too large or not TOML, and OSError."""
    if not path.is_file():
        raise ConfigError(f"there is no {FILE_NAME} in {path.parent}", fix="create one with `cxflow init`")
    if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
        raise ConfigError(
            f"{FILE_NAME} has {size:,} bytes, more than the {LARGEST_FILE_BYTES:,} allowed", value=str(path)
        )
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise ConfigError(
            f"{FILE_NAME} is not valid TOML: it is not UTF-8 in line {line}", value=str(path)
        ) from problem
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{FILE_NAME} is not valid TOML: {problem}", value=str(path)) from problem
    except ValueError as problem:  # Python's own error, without a line number
        raise ConfigError(
            f"{FILE_NAME} is not valid TOML: a number has too many digits", value=str(path)
        ) from problem
    except RecursionError:
        raise ConfigError(f"{FILE_NAME}: {_TOO_DEEP}", value=str(path)) from None


_TOO_DEEP = f"tables or lists are nested deeper than {DEEPEST_TABLE} levels"


def _expand(value: Any, where: str, unset: dict[str, ConfigError], depth: int = 0) -> Any:
    """Replace `${NAME}` in every text of a TOML tree from the environment. Raises ConfigError.

    In connections and templates, a variable that is not set is replaced by nothing, and its error is added to `unset`.
    """
    if depth > DEEPEST_TABLE:
        raise ConfigError(f"{FILE_NAME}: {_TOO_DEEP}", value=where[:100])
    if isinstance(value, str):

        def of_environment(match: re.Match[str]) -> str:
            name = match[1]
            problem = None
            if name not in os.environ:
                problem = ConfigError(
                    f"{where}: the environment variable {name} is not set",
                    value=name,
                    fix="set it for the process that runs cxflow",
                )
            elif not is_text(os.environ[name]):
                problem = ConfigError(f"{where}: the environment variable {name} is not UTF-8", value=name)
            if problem is None:
                return os.environ[name]
            if not where.startswith(("connections.", "templates.")):
                raise problem
            unset.setdefault(where, problem)
            return ""

        if not is_text(value):
            raise ConfigError(f"{where}: a text contains the character NUL", value=where)
        return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", of_environment, value)
    if isinstance(value, dict):
        return {
            key: _expand(item, f"{where}.{key}" if where else key, unset, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_expand(item, where, unset, depth + 1) for item in value]
    return value
