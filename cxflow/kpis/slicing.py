"""What the KPIs of a project are sliced by: `[kpis] dimensions` and `dimensions_of`, against what their facts offer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from cxflow.errors import ConfigError
from cxflow.kpis.dimensions import SIGNAL, personal, personal_among
from cxflow.kpis.kpi import Kpi
from cxflow.model.names import nearest
from cxflow.settings import Settings

_GENERAL = "kpis.dimensions"


def dimensions_of(kpi: Kpi, settings: Settings) -> tuple[str, ...]:
    """What a KPI is sliced by: what the project says for it or, of what it says for all, what its fact offers.

    Raises ConfigError for a dimension that was asked of this KPI and is not offered, and for personal data.
    """
    offered = kpi.offers(settings)
    own = settings.kpis.dimensions_of.get(kpi.name)
    place = _GENERAL if own is None else f"kpis.dimensions_of.{kpi.name}"
    asked = []
    for name in dict.fromkeys(settings.kpis.dimensions if own is None else own):
        if is_offered(name, offered):
            asked.append(name)
        elif own is not None:
            _refuse(name, place, f"{kpi.name} cannot be sliced by {name!r}", offered)
    fact = kpi.estimator(settings).sliced
    for name, found in personal_among({name: fact.dimension(name) for name in asked}, fact.rows):
        raise ConfigError(
            f"{place}: the dimension {name!r} of {kpi.name} is made of {found.table.name}.{found.name}, which is "
            "personal data",
            value=name,
            fix="slice by something that names nobody",
        )
    return tuple(asked)


def check(kpis: Mapping[str, Kpi], settings: Settings) -> None:
    """Raises ConfigError for a dimension that no KPI of a project offers, for a KPI that is none, and for what
    `dimensions_of` refuses."""
    for name in settings.kpis.dimensions_of:
        if name not in kpis:
            raise ConfigError(
                f"kpis.dimensions_of: there is no KPI {name!r}{nearest(name, kpis)}", value=name
            )
    for kpi in kpis.values():
        dimensions_of(kpi, settings)
    offered = {name for kpi in kpis.values() for name in kpi.offers(settings)}
    for name in settings.kpis.dimensions:
        if not is_offered(name, offered):
            _refuse(name, _GENERAL, f"no KPI can be sliced by {name!r}", offered)


def is_offered(name: str, offered: Collection[str]) -> bool:
    """Whether a dimension is among those offered, any signal by its own name."""
    return name != SIGNAL and (name in offered or (name.startswith(SIGNAL) and SIGNAL in offered))


def worded(offered: Collection[str]) -> list[str]:
    """Dimensions for people, in order."""
    return [f"{name}NAME" if name == SIGNAL else name for name in sorted(offered)]


def _refuse(name: str, place: str, why: str, offered: Collection[str]) -> NoReturn:
    if (found := personal(name)) is not None:
        raise ConfigError(
            f"{place}: {name!r} is personal data ({found.table.name}.{found.name})",
            value=name,
            fix="slice by something that names nobody",
        )
    raise ConfigError(
        f"{place}: {why}{nearest(name, offered)}", value=name, fix=f"offered: {', '.join(worded(offered))}"
    )
