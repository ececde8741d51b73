"""Determines the project of a command, the chosen streams, and the instants of its options."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cxflow.errors import ConfigError
from cxflow.model.window import FIRST_YEAR, LAST_YEAR
from cxflow.settings import FILE_NAME, Settings, nearest


def find(named: Path | None) -> Path:
    """The project folder: `named` or, without it, the current folder or the nearest above that has a cxflow.toml."""
    if named is not None:
        return named.parent if named.name == FILE_NAME else named
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if is_project(folder)), here)


def is_project(folder: Path) -> bool:
    """Whether a folder is a project."""
    return (folder / FILE_NAME).is_file()


def chosen(settings: Settings, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Connection → the streams chosen by `CONNECTION` or `CONNECTION.STREAM`; an empty tuple means all of them.

    Without names, all connections in the order of the file. Raises ConfigError for an unknown connection; streams are
    not checked, because only their connectors know them.
    """
    if not settings.connections:
        raise ConfigError(f"{FILE_NAME} has no connections", fix="add one as [connections.NAME]")
    wanted: dict[str, tuple[str, ...]] = {}
    for name in names:
        connection, _, stream = name.partition(".")
        if connection not in settings.connections:
            raise ConfigError(
                f"there is no connection {connection!r}{nearest(connection, settings.connections)}",
                value=connection,
            )
        before = wanted.get(connection)
        if stream and before != ():
            wanted[connection] = tuple(dict.fromkeys((*(before or ()), stream)))
        elif not stream:
            wanted[connection] = ()
    return {name: wanted.get(name, ()) for name in settings.connections if not names or name in wanted}


def instant(settings: Settings, text: str, option: str) -> datetime:
    """Parse an ISO 8601 date (its midnight) or time; without an offset, in the project's time zone.

    Raises ConfigError if it is neither, or outside the supported years.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{option} is not an ISO 8601 date or time: {text!r}", value=text, fix="such as 2026-03-25"
        ) from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ConfigError(f"{option} is outside the years {FIRST_YEAR} to {LAST_YEAR}: {text!r}", value=text)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(settings.project.timezone))
