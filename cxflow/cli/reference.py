"""Makes the parts of `docs/` that follow from the code. `make docs` writes them; a test checks them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cxflow.cli import json_schema
from cxflow.conform.expressions import MACROS
from cxflow.connect import registry
from cxflow.kpis.kpi import checked
from cxflow.publish.catalogue import data_dictionary
from cxflow.settings import Settings


def documents(folder: Path) -> dict[Path, str]:
    """File to its text as it should be."""
    return {
        folder / "cxflow.schema.json": json_schema.text(json_schema.document(json_schema.built_in())) + "\n",
        folder / "data-dictionary.md": data_dictionary(),
        folder / "kpis.md": _between(folder / "kpis.md", "kpis", _kpis()),
        folder / "mapping.md": _between(folder / "mapping.md", "macros", _macros()),
    }


def _kpis() -> list[str]:
    declared = checked(registry.kpis(registry.plugins()))
    lines = ["| KPI | unit | formula | interval |", "|---|---|---|---|"]
    for name, kpi in sorted(declared.items()):
        if not type(kpi).__module__.startswith("cxflow."):
            continue
        method = kpi.estimator(Settings()).method
        lines.append(f"| `{name}` | {kpi.unit} | {kpi.formula} | {method} |")
    return lines


def _macros() -> list[str]:
    lines = ["| macro | gives |", "|---|---|"]
    for name, (definition, says) in MACROS.items():
        arguments = definition.split(" AS ", 1)[0]
        lines.append(f"| `{name}{arguments}` | {says} |")
    return lines


def _between(path: Path, mark: str, lines: list[str]) -> str:
    """The file's text with what stands between its marks replaced."""
    pattern = re.compile(f"(<!-- {mark}:[^\n]*-->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    text = path.read_text(encoding="utf-8")
    return pattern.sub(lambda match: match[1] + "\n" + "\n".join(lines) + "\n\n" + match[2], text)


if __name__ == "__main__":
    for path, made in documents(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")).items():
        path.write_text(made, encoding="utf-8")
