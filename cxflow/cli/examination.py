"""The checks of `cxflow doctor`, in order; each yields one finding."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cxflow.cli import warehouse
from cxflow.errors import ConfigError, CxflowError

if TYPE_CHECKING:
    from cxflow.cli.call import Call
    from cxflow.settings import Settings

EXTRAS = {
    "airflow": ("airflow",),
    "excel": ("openpyxl",),
    "report": ("jinja2", "vl_convert"),
    "postgres": ("psycopg",),
}
"""Extra → the modules that it installs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist."""

    subject: str
    message: str
    fix: str | None = None
    problem: CxflowError | None = None
    """Set if something must be fixed."""
    state: Literal["ok", "note"] = "ok"

    @property
    def mark(self) -> tuple[str, str]:
        """The symbol in front of the line, and its style."""
        if self.problem is not None:
            return "✗", "bold red"
        return ("✓", "green") if self.state == "ok" else ("–", "dim")

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        state = "failed" if self.problem is not None else self.state
        return {"subject": self.subject, "state": state, "says": self.message, "fix": self.fix}


def findings(call: Call) -> Iterator[Finding]:
    """Yield all findings: first on the machine, then on the project, if there is one."""
    yield Finding("Python", platform.python_version())
    yield Finding("cxflow", metadata.version("cxflow-framework"))
    from cxflow.connect import registry

    for problem in call.program.load_plugins():
        yield _failed("plugins", problem)
    if not call.has_project:
        yield from _check("plugins", lambda: _plugins(registry.plugins()))
        yield from _extras(needed=set())
        yield Finding("project", f"none in {Path.cwd()} or above", "`cxflow init` creates one", state="note")
        return
    try:
        settings = call.settings
    except ConfigError as problem:
        yield _failed("project", problem)
        return
    yield Finding("project", f"{settings.project.name} in {settings.folder}")
    yield from _check("plugins", lambda: _plugins(registry.of_project(settings)))
    yield from _extras(_needed(settings))
    yield from _check("warehouse", lambda: _warehouse(settings))
    yield from _check("landing zone", lambda: _landing(settings))
    yield from _modes(settings)
    yield from _salt(settings)
    yield from _streams(settings)


def _check(subject: str, check: Callable[[], str]) -> Iterator[Finding]:
    try:
        yield Finding(subject, check())
    except CxflowError as problem:
        yield _failed(subject, problem)


def _failed(subject: str, problem: CxflowError) -> Finding:
    return Finding(subject, problem.message, problem.fix, problem)


def _plugins(manager: Any) -> str:
    from cxflow.connect import registry

    infos = registry.plugin_infos(manager)
    registry.connectors(manager)
    registry.kpis(manager)
    return ", ".join(f"{info.name} {info.version}".strip() for info in infos)


def _extras(needed: set[str | None]) -> Iterator[Finding]:
    for name, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        fix = f"pip install 'cxflow-framework[{name}]'"
        if not missing:
            yield Finding(f"extra {name}", "installed")
        elif name in needed:
            message = f"not installed, and the project needs it ({', '.join(missing)})"
            yield Finding(f"extra {name}", message, fix, ConfigError(message, value=name, fix=fix))
        else:
            yield Finding(f"extra {name}", "not installed; the project does not need it", state="note")


def _needed(settings: Settings) -> set[str | None]:
    """The extras that the project needs."""
    from cxflow.warehouse import transactions

    streams = [
        stream
        for table in settings.connections.values()
        for stream in (table.get("streams") or {}).values()
        if isinstance(stream, dict)
    ]
    excel = any(
        stream.get("format") == "xlsx" or ".xlsx" in str(stream.get("path", "")) for stream in streams
    )
    needed: set[str | None] = {"excel"} if excel else set()
    with suppress(ConfigError):  # reported by the check of the warehouse
        needed |= {transactions.engine_of(settings).extra} - {None}
    return needed


def _warehouse(settings: Settings) -> str:
    from cxflow.warehouse import revisions, transactions

    url = transactions.warehouse_url(settings).render_as_string(hide_password=True)
    if not warehouse.exists(settings):
        return f"{url} does not exist yet; the first `cxflow run` creates it"
    with transactions.reading(settings) as connection:
        revisions.require(connection)
    if not transactions.is_writable(settings):
        raise ConfigError(
            f"{url} is read-only for this user",
            value="warehouse.url",
            fix="name a file that this user may write",
        )
    return f"{url} at revision {revisions.head()}"


def _landing(settings: Settings) -> str:
    from fsspec.implementations.local import LocalFileSystem

    from cxflow.landing import zone

    with _explained(settings.landing.url):
        file_system, root = zone.storage(settings)
        if isinstance(file_system, LocalFileSystem):
            path = Path(root)
            nearest = next(folder for folder in (path, *path.parents) if folder.exists())
            if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
                raise PermissionError(f"{nearest} cannot be written")
        else:
            probe = f"{root.rstrip('/')}/.cxflow-doctor"
            file_system.pipe_file(probe, b"")
            file_system.rm_file(probe)
    return f"{settings.landing.url} can be written"


def _modes(settings: Settings) -> Iterator[Finding]:
    """Files with personal data that group or others may read: of an older version, or shared on purpose."""
    from fsspec.implementations.local import LocalFileSystem

    from cxflow import private_files
    from cxflow.landing import zone
    from cxflow.warehouse import transactions

    places: list[tuple[str, Path, str]] = []
    with suppress(CxflowError):  # reported by the check of each
        files = transactions.engine_of(settings).files(transactions.warehouse_url(settings))
        places += [("warehouse", path, "chmod") for path in files]
    with suppress(CxflowError):
        file_system, root = zone.storage(settings)
        if isinstance(file_system, LocalFileSystem):
            places.append(("landing zone", Path(root), "chmod -R"))
    for subject, path, command in places:
        if found := private_files.shared(path):
            message = f"{found} has mode {private_files.mode(found)}: other users may read or write it"
            yield Finding(subject, message, f"{command} go= {shlex.quote(str(path))}", state="note")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn any error of a file system in the block into a ConfigError about the landing zone."""
    try:
        yield
    except CxflowError:
        raise
    except Exception as problem:
        raise ConfigError(
            f"the landing zone {url} cannot be written: {problem}",
            value=url,
            fix="correct landing in cxflow.toml",
        ) from problem


def _salt(settings: Settings) -> Iterator[Finding]:
    salt = settings.identity.salt
    if salt is None:
        message = "none: anyone who knows an address can compute its hash"
        yield Finding("identity salt", message, 'set identity.salt = { env = "NAME" }', state="note")
    else:
        yield from _check("identity salt", lambda: "set" if salt.reveal("identity.salt") else "empty")


def _streams(settings: Settings) -> Iterator[Finding]:
    from cxflow import sources
    from cxflow.cli.faults import faults

    for connection in settings.connections:
        found = list(faults(settings, connection))
        yield from (_failed(problem.place or connection, problem) for problem in found)
        if any(problem.stream is None for problem in found):
            continue
        try:
            streams = list(sources.open_connection(settings, connection, offline=True).streams)
        except CxflowError:  # already reported
            continue
        faulty = {problem.stream for problem in found}
        readable = []
        for stream in (stream for stream in streams if stream not in faulty):
            try:
                remarks = sources.doctor(settings, connection, stream)
            except CxflowError as problem:
                yield _failed(f"{connection}.{stream}", problem)
            else:
                readable.append(stream)
                yield Finding(f"{connection}.{stream}", "can be read")
                yield from (Finding(f"{connection}.{stream}", each, state="note") for each in remarks)
        if readable and len(readable) < len(streams):
            names = ", ".join(f'"{stream}"' for stream in readable)
            message = f"{len(readable)} of {len(streams)} streams can be read"
            yield Finding(connection, message, f"only = [{names}] leaves out the others", state="note")
