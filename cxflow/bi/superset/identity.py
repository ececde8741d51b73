"""The identity of what a bundle makes, and which Superset it is for."""

from __future__ import annotations

import uuid

from cxflow.errors import ConfigError

FORMAT = "1.0.0"
"""The version of Superset's import format."""
MAJOR = 6
"""The major version of Superset whose charts the bundle has."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "cxflow:superset")


def identifier(project: str, kind: str, name: str = "") -> str:
    """The UUID of an object of a project."""
    return str(uuid.uuid5(_NAMESPACE, f"{project}/{kind}/{name}"))


def require_version(version: str) -> None:
    """Raise ConfigError unless the bundle is for this version of Superset."""
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) == MAJOR:
        return
    raise ConfigError(
        f"the bundle is for Superset {MAJOR}, not {version}: charts of other major versions have other parameters",
        value=version,
        fix=f"import it into Superset {MAJOR}; other tools read the views as they are (docs/warehouse.md)",
    )
