"""The bundle: what Superset imports, as files by their paths."""

from __future__ import annotations

from typing import Any

from cxflow.bi.published import Published
from cxflow.bi.superset.charts import Chart
from cxflow.bi.superset.connection import database
from cxflow.bi.superset.dashboard import dashboard
from cxflow.bi.superset.datasets import datasets
from cxflow.bi.superset.identity import FORMAT, identifier
from cxflow.bi.superset.tabs import tabs
from cxflow.bi.wording import Wording
from cxflow.settings import Settings


def bundle(
    published: Published, settings: Settings, words: Wording, uri: str | None = None
) -> dict[str, dict[str, Any]]:
    """Path to what the file at it says. Raises what `connection.database` raises.

    `metadata.yaml` names no type: the import of dashboards and that of assets both take the bundle.
    """
    project = settings.project.name
    shown = tabs(published, settings, words)
    files: dict[str, dict[str, Any]] = {
        "metadata.yaml": {"version": FORMAT},
        "databases/cxflow.yaml": database(settings, uri),
    }
    files |= {f"datasets/{each['table_name']}.yaml": each for each in datasets(published, settings, words)}
    for _, charts in shown.values():
        files |= {f"charts/{_file(each.name)}.yaml": _chart(each, project) for each in charts}
    return files | {"dashboards/cxflow.yaml": dashboard(shown, project, words)}


def _chart(chart: Chart, project: str) -> dict[str, Any]:
    return {
        "slice_name": chart.title,
        "description": chart.description or None,
        "viz_type": chart.kind,
        "params": {"viz_type": chart.kind, **chart.parameters},
        "query_context": None,
        "cache_timeout": None,
        "uuid": identifier(project, "chart", chart.name),
        "dataset_uuid": identifier(project, "dataset", chart.dataset),
        "version": FORMAT,
    }


def _file(name: str) -> str:
    return name.replace(" ", "-")
