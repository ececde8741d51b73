"""Every error cxflow raises on purpose, sorted by what to do next.

*Transient*: wait and try again. *Fatal*: stop and fix the configuration, the source or the code. A record that cannot
be used raises nothing: it is a reject, and the batch goes on. The command line turns a class into an exit code (the
numbers of BSD `sysexits.h`), the Airflow operators turn it into a retry or a final failure.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import ClassVar

from cxflow.redaction import masked


class CxflowError(Exception):
    """An error with its place: which connection, which stream, which value, and how to mend it.

    The message never holds personal data: `value` is a name from the configuration (a column, a path, a rule),
    not a value from a record. A secret that this process knows is masked in it.
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
        self.message = masked(message)
        super().__init__(self.message)
        self.connection = connection
        self.stream = stream
        self.value = value
        self.fix = fix and masked(fix)

    @property
    def place(self) -> str:
        """`connection.stream`, as far as it is known."""
        return ".".join(part for part in (self.connection, self.stream) if part)

    def at(self, connection: str | None = None, stream: str | None = None) -> CxflowError:
        """The same error, its place filled in where it was raised without one."""
        self.connection = self.connection or connection
        self.stream = self.stream or stream
        return self

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        fix = f" ({self.fix})" if self.fix else ""
        return f"{place}{self.message}{fix}"


class TransientError(CxflowError):
    """Out of reach for now (a lock, a network, a throttled service): the same call may succeed later."""

    exit_code = 75


class StaleCheckpointError(TransientError):
    """The service no longer knows a checkpoint. Raised by a connector's `resume`; the pull then starts over."""


class WarehouseBusyError(TransientError):
    """Another process holds the warehouse file, or another session of the server a lock."""


class FatalError(CxflowError):
    """Nothing will change until somebody mends the cause."""

    exit_code = 70


class ConfigError(FatalError):
    """`cxflow.toml`, a mapping, a credential or a plugin is not what it should be."""

    exit_code = 78


class SourceError(FatalError):
    """The source is not as declared: a file is missing or cut off, a header changed, a column is gone."""

    exit_code = 66


class GateClosedError(FatalError):
    """More of a batch was rejected than the gate allows, or a table-level expectation failed."""

    exit_code = 65


class CountError(FatalError):
    """More or fewer records were read than the source holds by an independent count: nothing landed."""

    exit_code = 65


class AccountingError(FatalError):
    """The books do not balance. A defect in cxflow: nothing was committed."""


class SchemaError(FatalError):
    """The warehouse's tables are not those of this version."""

    exit_code = 78


class UnexpectedError(CxflowError):
    """Nobody foresaw it: a defect of cxflow or of a plugin, or a fault of a source that its connector does not
    know. Another try may help."""

    @classmethod
    def of(cls, problem: Exception) -> UnexpectedError:
        """What may be said of any exception: its class and where in the code. Its own words may quote a record."""
        frames = traceback.extract_tb(problem.__traceback__)
        where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        # The system's words are about a file or a network, and the same for everybody.
        system = getattr(problem, "strerror", None) if isinstance(problem, OSError) else None
        said = f": {system}" if isinstance(system, str) else ""
        return cls(
            f"{type(problem).__name__}{where}{said}",
            fix="a defect of cxflow or of a plugin: please report it; --verbose shows all of it, data included",
        )
