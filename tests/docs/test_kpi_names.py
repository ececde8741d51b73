"""The pages name only KPIs that exist: a planned one that never came, or an old name, misleads whoever looks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from cxflow.connect import registry
from cxflow.settings import Settings
from cxflow.warehouse.tables import metadata

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    (
        *(ROOT / "docs").glob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "warehouse" / "DECISIONS.md",
        *ROOT.glob("plugins/*/README.md"),
    )
)
NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+"
IN_CODE = re.compile(rf"`({NAME})`|^\| *({NAME}) *\||cxflow kpis ({NAME})", re.MULTILINE)
"""Where a page names something: in backticks, in the first cell of a table, after the command."""
LIKE_A_KPI = re.compile(
    r"^(average|median|mean|net|share)_|^(churn|repurchase|memory|nps|csat|ces|fcr)_"
    r"|_(rate|(?:rate|level|minutes)_(?:of|by|excluding)_[a-z]+|ratio|share|score|level|minutes|hours|days|resolution|rating|rating_bayes|retention|churn|effort|occupancy|index|uplift|p\d\d|\d+d)$"
)
"""Words that names of KPIs begin or end with."""


def _settings(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation)


KPIS = set(registry.kpis(registry.plugins()))
CONNECTORS = registry.connectors(registry.plugins()).values()
OTHERS = {column.name for table in metadata.tables.values() for column in table.columns} | {
    name
    for model in (
        Settings,
        *(each for kind in CONNECTORS for each in (kind.connection_model, kind.stream_model)),
    )
    for name in _settings(model)
}
"""Columns of the warehouse, and settings: their names may look like a KPI's."""


def unknown(text: str) -> set[str]:
    """The names in a page that look like a KPI's, or begin with one's, and are none."""
    names = {next(filter(None, match.groups())) for match in IN_CODE.finditer(text)}
    alike = {
        name for name in names if LIKE_A_KPI.search(name) or any(name.startswith(f"{kpi}_") for kpi in KPIS)
    }
    return alike - KPIS - OTHERS


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_names_only_kpis_that_exist(page: Path) -> None:
    assert unknown(page.read_text()) == set()


def test_the_rule_finds_names_of_kpis_that_do_not_exist() -> None:
    text = (
        "`abandonment_rate_of_queued`, `attrition_rate` and `first_reply_hours`; `nps`, `nps_by_mail`\n"
        "| first_call_resolution | 80 % |\n```sh\ncxflow kpis customer_effort_score\n```\n"
        "`max_share`, `rating_value`, `best_rating`, `abandonment_rate`, `service_level_seconds`, `time_plausible`"
    )
    assert unknown(text) == {
        "abandonment_rate_of_queued",
        "attrition_rate",
        "first_reply_hours",
        "nps_by_mail",
        "first_call_resolution",
        "customer_effort_score",
    }


def test_every_declared_kpi_is_known_to_the_rule_or_has_a_name_of_one_word() -> None:
    missed = {name for name in KPIS if "_" in name and not LIKE_A_KPI.search(name)}
    assert missed == {"customer_lifetime_value", "service_level_80_20", "support_contacts"}
