"""Where secrets are found. Their values are read when needed, remembered for redaction, and never shown."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import Protocol

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from cxflow import redaction
from cxflow.errors import ConfigError
from cxflow.model.frozen import Frozen
from cxflow.model.names import is_text

READERS = "cxflow.secrets"
"""The entry point group of functions that read secrets from elsewhere. The reader of Airflow's connections is one, so
that nothing here imports Airflow."""


class Reader(Protocol):
    """Reads a secret from elsewhere."""

    def __call__(self, place: str, field: str | None, setting: str) -> str:
        """The secret of a place, for a setting of this name, without its tables'. Raises ConfigError."""


class Secret(Frozen):
    """Where a secret is found: an environment variable, a file or an Airflow connection. Its value is read when needed
    and never shown."""

    env: str | None = None
    """The name of the environment variable that holds it."""
    file: Path | None = None
    """Relative to the project's folder."""
    airflow: str | None = Field(default=None, pattern=r"^[\w.:-]+$", max_length=250)
    """The id of the Airflow connection that holds it."""
    field: str | None = Field(
        default=None, pattern=r"^(password|login|host|port|schema|url|extra\..+)$", max_length=250
    )
    """Which part of the Airflow connection: password, login, host, port, schema, `extra.KEY`, or url, a SQLAlchemy URL
    of all of them. Unset: url for a setting of that name, else the extra field with the setting's name, else password.
    """

    @field_validator("file")
    @classmethod
    def _in_project(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return folder / file if file is not None and folder is not None else file

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if [bool(self.env), bool(self.file), bool(self.airflow)].count(True) != 1:
            raise ValueError(
                'a secret is found in one place: { env = "NAME" }, { file = "path" } or { airflow = "conn_id" }'
            )
        if self.field and not self.airflow:
            raise ValueError("field names a part of an Airflow connection: it means nothing without airflow")
        return self

    def reveal(self, setting: str = "") -> SecretStr:
        """The secret itself. Raises ConfigError, with the name of the `setting`, if it cannot be read."""
        found = self._read(setting, self.field)
        redaction.remember(found)
        return SecretStr(found)

    def text(self, setting: str) -> str:
        """A text that is kept beside secrets and is none itself, so it is not masked. Without a `field`, it is the
        extra field with the setting's name, and never the password. Raises ConfigError as `reveal` does."""
        return self._read(setting, self.field or f"extra.{setting.rpartition('.')[2]}")

    def _read(self, setting: str, field: str | None) -> str:
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
            return os.environ[self.env]
        if self.airflow:
            try:
                return _reader("airflow")(self.airflow, field, setting.rpartition(".")[2])
            except ConfigError as problem:
                raise ConfigError(f"{where}{problem.message}", value=self.airflow, fix=problem.fix) from None
        assert self.file is not None
        if not self.file.is_file():
            raise ConfigError(
                f"{where}there is no secret file {self.file}",
                value=str(self.file),
                fix="create it with the secret as its only content",
            )
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as problem:
            # Python's message for bytes that are not UTF-8 quotes some of them.
            reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
            raise ConfigError(
                f"{where}the secret file {self.file} cannot be read: {reason}", value=str(self.file)
            ) from None


def _reader(kind: str) -> Reader:
    for entry_point in importlib.metadata.entry_points(group=READERS, name=kind):
        found: Reader = entry_point.load()
        return found
    raise ConfigError(
        f"secrets cannot be read from {kind}: cxflow is not installed completely",
        fix="pip install 'cxflow-framework[airflow]'",
    )
