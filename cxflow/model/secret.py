"""Where secrets are found. Their values are read when needed, remembered for redaction, and never shown."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr, ValidationInfo, field_validator, model_validator

from cxflow import redaction
from cxflow.errors import ConfigError
from cxflow.model.frozen import Frozen
from cxflow.model.names import is_text


class Secret(Frozen):
    """Where a secret is found: an environment variable or a file. Its value is read when needed and never shown."""

    env: str | None = None
    """The name of the environment variable that holds it."""
    file: Path | None = None
    """Relative to the project's folder."""

    @field_validator("file")
    @classmethod
    def _in_project(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return folder / file if file is not None and folder is not None else file

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if bool(self.env) == bool(self.file):
            raise ValueError('a secret is found in one place: { env = "NAME" } or { file = "path" }')
        return self

    def reveal(self, setting: str = "") -> SecretStr:
        """The secret itself. Raises ConfigError, with the name of the `setting`, if it cannot be read."""
        where = f"{setting}: " if setting else ""
        if self.env:
            if self.env not in os.environ:
                raise ConfigError(
                    f"{where}the environment variable {self.env} is not set",
                    value=self.env,
                    fix="set it for the process that runs cxflow",
                )
            if not is_text(os.environ[self.env]):
                raise ConfigError(f"{where}the environment variable {self.env} is not UTF-8", value=self.env)
            return _kept(os.environ[self.env])
        assert self.file is not None
        if not self.file.is_file():
            raise ConfigError(
                f"{where}there is no secret file {self.file}",
                value=str(self.file),
                fix="create it with the secret as its only content",
            )
        try:
            return _kept(self.file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeError) as problem:
            # Python's message for bytes that are not UTF-8 quotes some of them.
            reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
            raise ConfigError(
                f"{where}the secret file {self.file} cannot be read: {reason}", value=str(self.file)
            ) from None


def _kept(secret: str) -> SecretStr:
    redaction.remember(secret)
    return SecretStr(secret)
