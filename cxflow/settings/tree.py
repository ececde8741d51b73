"""The complete `cxflow.toml` as one frozen tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from cxflow.errors import ConfigError
from cxflow.model.calendar import Calendar
from cxflow.model.frozen import Frozen
from cxflow.model.names import nearest
from cxflow.model.reasons import named_once
from cxflow.settings.groups import (
    Airflow,
    Alerts,
    Identity,
    Kpis,
    Landing,
    Project,
    Quality,
    Report,
    Warehouse,
    Words,
    plain_names,
)

_NOT_IN_TEMPLATES = {
    "template": "a template has no template itself; write out what it would take from that one",
    "name": "unknown setting; a stream's name is its table's",
}
"""Keys that are no settings of a template, and why."""


class Settings(Frozen):
    """The complete `cxflow.toml`."""

    project: Project = Project()
    warehouse: Warehouse = Warehouse()
    landing: Landing = Landing()
    quality: Quality = Quality()
    identity: Identity = Identity()
    words: Words = Words()
    kpis: Kpis = Kpis()
    report: Report = Report()
    alerts: Alerts = Alerts()
    airflow: Airflow = Airflow()
    plugins: tuple[str, ...] = ()
    """Modules to load as plugins, besides the installed ones: a project's own connectors and KPIs."""
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """What several streams have in common: a stream that names one as its `template` has its settings, but for those
    that it makes itself. Checked where it is used."""
    reasons: dict[str, str] = Field(default_factory=dict)
    """Another name of a reason to the one that is kept, for contacts, cases and refunds: each system has its own names.
    They are compared in lower case, with underscores for spaces and hyphens."""
    calendars: dict[str, Calendar] = Field(default_factory=dict)
    """Name to when a team works. A connection names the one of its team."""
    connections: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """Each is checked by its connector's model (`connect.registry.open_connection`)."""

    _folder: Path = PrivateAttr(default=Path())
    _unset: dict[str, ConfigError] = PrivateAttr(default_factory=dict)
    """Place in `connections` or `templates` to the error for an environment variable that is not set there."""
    _names = field_validator("calendars", "connections")(plain_names)

    @field_validator("connections")
    @classmethod
    def _known_calendars(
        cls, connections: dict[str, dict[str, Any]], info: ValidationInfo
    ) -> dict[str, dict[str, Any]]:
        # Calendars with faults are reported alone.
        calendars = info.data.get("calendars")
        for name, table in connections.items():
            wanted = table.get("calendar")
            if isinstance(wanted, str) and calendars is not None and wanted not in calendars:
                known = nearest(wanted, calendars) or "; declare it in [calendars]"
                raise ValueError(f"{name}.calendar: there is no calendar {wanted!r}{known}")
        return connections

    @field_validator("reasons")
    @classmethod
    def _named_once(cls, names: dict[str, str]) -> dict[str, str]:
        return named_once(names)

    @field_validator("templates")
    @classmethod
    def _of_streams(cls, templates: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, table in templates.items():
            for key, why in _NOT_IN_TEMPLATES.items():
                if key in table:
                    raise ValueError(f"{name}.{key}: {why}")
        return templates

    @property
    def folder(self) -> Path:
        """The project's folder, absolute."""
        return self._folder

    def path(self, relative: str | Path) -> Path:
        """A path from the configuration, relative to the project's folder."""
        return Path(os.path.realpath(self._folder / relative))  # a loop of links fails where the path is used

    def require_variables(self, name: str, setting: str = "", kind: str = "connections") -> None:
        """Raise ConfigError if a connection (or one of its settings) needs an environment variable that is not set; or
        one of the `templates`, if that is the `kind`.

        Only who uses the connection needs them: the warehouse can be read without the credentials of its sources.
        """
        where = f"{kind}.{name}.{setting}"
        for place, problem in self._unset.items():
            if place == where or (not setting and place.startswith(where)):
                raise ConfigError(problem.message, value=problem.value, fix=problem.fix)
