"""The catalogue of the built-in KPIs, `docs/kpi-catalogue.md`, made from their declarations by `make docs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import GRAINS
from cxflow.settings import Settings

_HEAD = """# The catalogue of KPIs

Made by `make docs` from the declarations in `cxflow/kpis`; do not edit. [KPIs](kpis.md) tells how they are computed,
[DECISIONS](../warehouse/DECISIONS.md) why contested ones are defined as they are. The names and
descriptions, in both languages, and the decimals to show are in `kpi_definition` and `mart_kpi`, too; the formulas in
`kpi_definition` and `mart_kpi_definition`.
"""


def page(declared: Mapping[str, Kpi]) -> str:
    """The page: an index, then a section for each KPI."""
    lines = [_HEAD, "| KPI | in Spanish | name |", "|---|---|---|"]
    for name, kpi in declared.items():
        lines.append(f"| [{kpi.title}](#{name}) | {kpi.title_es} | `{name}` |")
    for kpi in declared.values():
        lines += ["", f'## <a id="{kpi.name}"></a>{kpi.title}', "", kpi.description, "", *_facts(kpi)]
    return "\n".join(lines) + "\n"


def _facts(kpi: Kpi) -> Iterator[str]:
    settings = Settings()
    estimator = kpi.estimator(settings)
    facts = {
        "name": f"`{kpi.name}`, version {kpi.version}",
        "in Spanish": f"{kpi.title_es}: {kpi.description_es}",
        "formula": kpi.formula,
        "formula in Spanish": kpi.formula_es,
        "unit": f"{kpi.unit}, {_decimals(kpi)}, {_good(kpi)}{_range(kpi)}",
        "interval": estimator.method,
        "leaves out events": ", ".join(estimator.left_out) or "none",
    }
    if kpi.counts:
        facts["counts"] = kpi.counts
    if kpi.grains != GRAINS:
        facts["grains"] = ", ".join(kpi.grains)
    yield "| | |"
    yield "|---|---|"
    for what, fact in facts.items():
        yield f"| {what} | {fact} |"


def _decimals(kpi: Kpi) -> str:
    number = kpi.shown_decimals
    return f"{number or 'no'} decimal{'' if number == 1 else 's'}{' as %' if kpi.unit == 'share' else ''}"


def _good(kpi: Kpi) -> str:
    return "neither way is better" if kpi.better == "neither" else f"{kpi.better} is better"


def _range(kpi: Kpi) -> str:
    if kpi.lowest is None and kpi.highest is None:
        return ""
    low = "−∞" if kpi.lowest is None else f"{kpi.lowest:g}".replace("-", "−")
    high = "∞" if kpi.highest is None else f"{kpi.highest:g}"
    return f"; {low} to {high}"
