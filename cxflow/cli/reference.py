"""Generates the parts of `docs/` that follow from the code. `make docs` writes them; a test checks them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cxflow.cli import connector_pages, json_schema, kpi_catalogue
from cxflow.conform.expressions import MACROS
from cxflow.connect import registry
from cxflow.kpis.kpi import Kpi, checked
from cxflow.kpis.slicing import worded
from cxflow.model.activities import ACTIVITIES
from cxflow.publish.catalogue import data_dictionary
from cxflow.settings import Settings


def documents(folder: Path) -> dict[Path, str]:
    """File → its up-to-date text."""
    return {
        folder / "cxflow.schema.json": json_schema.text(json_schema.document(json_schema.built_in())) + "\n",
        folder / "data-dictionary.md": data_dictionary(),
        folder / "kpis.md": _between(folder / "kpis.md", dimensions=_dimensions()),
        folder / "kpi-catalogue.md": kpi_catalogue.page(_declared()),
        folder / "connectors.md": _between(
            folder / "connectors.md", connectors=connector_pages.index(folder)
        ),
        **{
            folder / "connectors" / f"{name}.md": page for name, page in connector_pages.pages(folder).items()
        },
        folder / "mapping.md": _between(folder / "mapping.md", macros=_macros(), activities=_activities()),
    }


def _declared() -> dict[str, Kpi]:
    """The built-in KPIs, by name."""
    declared = checked(registry.kpis(registry.plugins()))
    return {name: kpi for name, kpi in sorted(declared.items()) if type(kpi).__module__.startswith("cxflow.")}


def _dimensions() -> list[str]:
    """The table of dimensions; KPIs that offer the same ones share a row."""
    offering: dict[tuple[str, ...], list[str]] = {}
    for name, kpi in _declared().items():
        offering.setdefault(tuple(worded(kpi.offers(Settings()))), []).append(f"`{name}`")
    lines = ["| KPI | may be sliced by |", "|---|---|"]
    return lines + [f"| {', '.join(kpis)} | {', '.join(names)} |" for names, kpis in offering.items()]


def _macros() -> list[str]:
    lines = ["| macro | gives |", "|---|---|"]
    for name, (definition, description) in MACROS.items():
        arguments = definition.split(" AS ", 1)[0]
        lines.append(f"| `{name}{arguments}` | {description} |")
    return lines


def _activities() -> list[str]:
    lines = ["| activity | stage | direction | control | |", "|---|---|---|---|---|"]
    for each in ACTIVITIES.values():
        counted = ""
        if each.is_support:
            counted = "a support contact: contact rate, first contact resolution"
        elif each.is_self_service:
            counted = "a visit to self-service: deflection rate"
        lines.append(f"| `{each.name}` | {each.stage} | {each.direction} | {each.control} | {counted} |")
    return lines


def _between(path: Path, **made: list[str]) -> str:
    """The file's text with the lines between each pair of marks replaced; `made`: mark → lines."""
    text = path.read_text(encoding="utf-8")
    for mark, lines in made.items():
        head, opening, rest = re.split(f"(<!-- {mark}:[^\n]*-->\n)", text, maxsplit=1)
        closing = f"<!-- /{mark} -->"
        text = "\n".join((head + opening, *lines, "", closing)) + rest.partition(closing)[2]
    return text


if __name__ == "__main__":
    for path, made in documents(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
