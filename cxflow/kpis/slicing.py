"""The dimensions of a project's KPIs: `[kpis] dimensions` and `dimensions_of`, checked against their facts."""

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
    """The dimensions of a KPI: those set for it in `dimensions_of`, or else those of `dimensions` that its fact offers,
    and those that it is always sliced by.

    Raises ConfigError for a dimension in `dimensions_of` that its fact does not offer, and for personal data.
    """
    offered = kpi.offers(settings)
    own = settings.kpis.dimensions_of.get(kpi.name)
    place = _GENERAL if own is None else f"kpis.dimensions_of.{kpi.name}"
    dimensions = []
    for name in dict.fromkeys((*settings.kpis.dimensions, *kpi.always) if own is None else own):
        if is_offered(name, offered):
            dimensions.append(name)
        elif own is not None:
            _refuse(name, place, f"{kpi.name} cannot be sliced by {name!r}", offered)
    if not dimensions:
        return ()
    fact = kpi.estimator(settings).sliced
    for name, found in personal_among({name: fact.dimension(name) for name in dimensions}, fact.rows):
        raise ConfigError(
            f"{place}: the dimension {name!r} of {kpi.name} derives from {found.table.name}.{found.name}, which is "
            "personal data",
            value=name,
            fix="slice by a column that is not personal data",
        )
    return tuple(dimensions)


def check(kpis: Mapping[str, Kpi], settings: Settings) -> None:
    """Check the dimensions in `[kpis]`. Raises ConfigError for a dimension that no KPI offers, an unknown KPI, and
    whatever the function `dimensions_of` refuses."""
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
    """Whether a dimension is offered; `signal.` offers every `signal.NAME`."""
    return name != SIGNAL and (name in offered or (name.startswith(SIGNAL) and SIGNAL in offered))


def worded(offered: Collection[str]) -> list[str]:
    """Dimensions for display, sorted."""
    return [f"{name}NAME" if name == SIGNAL else name for name in sorted(offered)]


def _refuse(name: str, place: str, why: str, offered: Collection[str]) -> NoReturn:
    if (found := personal(name)) is not None:
        raise ConfigError(
            f"{place}: {name!r} is personal data ({found.table.name}.{found.name})",
            value=name,
            fix="slice by a column that is not personal data",
        )
    raise ConfigError(
        f"{place}: {why}{nearest(name, offered)}", value=name, fix=f"offered: {', '.join(worded(offered))}"
    )
