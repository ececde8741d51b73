"""Every error cxflow raises on purpose, sorted by what to do next.

*Transient*: wait and try again. *Fatal*: stop and fix the configuration, the source or the code. A record that cannot
be used raises nothing: it becomes a reject, and the batch continues. The command line maps classes to exit codes (the
numbers of BSD `sysexits.h`), the Airflow operators map them to a retry or a final failure.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import ClassVar

from cxflow.redaction import masked
from cxflow.visible import visible


class CxflowError(Exception):
    """An error with its connection, its stream, the value at fault and how to fix it.

    The message never contains personal data: `value` is a name from the configuration (a column, a path, a rule), not a
    value from a record. Secrets that this process has read are masked, control characters made visible.
    """

    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        message: str,
        *,
        connection: str | None = None,
        stream: str | None = None,
        value: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.message = visible(masked(message))
        super().__init__(self.message)
        self.connection = connection
        self.stream = stream
        self.value = value
        self.fix = fix and visible(masked(fix))

    @property
    def place(self) -> str:
        """`connection.stream`, as far as known."""
        return ".".join(part for part in (self.connection, self.stream) if part)

    def at(self, connection: str | None = None, stream: str | None = None) -> CxflowError:
        """The same error, with its connection and stream filled in if it has none."""
        self.connection = self.connection or connection
        self.stream = self.stream or stream
        return self

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        fix = ""
        if self.fix:
            fix = f"\nfix: {self.fix}" if "\n" in self.message else f" ({self.fix})"
        return f"{place}{self.message}{fix}"


class TransientError(CxflowError):
    """A temporary failure (a lock, a network, a throttled service): the same call may succeed later."""

    exit_code = 75


class JobRunningError(TransientError):
    """A job of the service, such as an export, has not ended. The next run finds it again."""

    look_again_seconds: float = 60.0
    """When it is worth asking again."""


class StaleCheckpointError(TransientError):
    """The service no longer knows a checkpoint. Raised by a connector's `resume`; the pull then starts over."""


class WarehouseBusyError(TransientError):
    """Another process holds the warehouse file, or another session holds a lock."""

    holder: str | None = None
    """The process that holds the file, if it is known: its id and program."""


class FatalError(CxflowError):
    """Trying again will not help until the cause is fixed."""

    exit_code = 70


class ConfigError(FatalError):
    """`cxflow.toml`, a mapping, a credential or a plugin is wrong."""

    exit_code = 78


class SourceError(FatalError):
    """The source is not as declared: a file is missing or truncated, a header changed, a column is missing."""

    exit_code = 66


class GateClosedError(FatalError):
    """More of a batch was rejected than the gate allows, or a table-level expectation failed."""

    exit_code = 65


class CountError(FatalError):
    """The number of records read differs from an independent count of the source: nothing was landed."""

    exit_code = 65


class AccountingError(FatalError):
    """The counts of a batch do not balance. A defect in cxflow: nothing was committed."""


class SchemaError(FatalError):
    """The warehouse's tables are not those of this version."""

    exit_code = 78


class UnexpectedError(CxflowError):
    """An unforeseen error: a defect of cxflow or a plugin, or a fault of a source that its connector does not handle.
    Another try may help."""

    @classmethod
    def of(cls, problem: Exception) -> UnexpectedError:
        """The error for any exception, with its class and its place in the code. Its message may quote a record."""
        frames = traceback.extract_tb(problem.__traceback__)
        where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        # The operating system's text is generic: it quotes no data.
        system = getattr(problem, "strerror", None) if isinstance(problem, OSError) else None
        text = f": {system}" if isinstance(system, str) else ""
        return cls(
            f"{type(problem).__name__}{where}{text}",
            fix="a defect of cxflow or of a plugin: please report it; --verbose shows all of it, data included",
        )
