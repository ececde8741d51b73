"""cxflow under Airflow: the provider metadata. `factory` makes a project's DAGs.

Airflow's provider manager calls `provider_info` in each of its processes, so this module imports nothing heavy.
A DAG file calls `cxflow.airflow.factory.dags`.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_PACKAGE = "cxflow-framework"


def provider_info() -> dict[str, object]:
    """The provider metadata for Airflow; entry point group `apache_airflow_provider`."""
    from cxflow.airflow import forms

    try:
        versions = [version(_PACKAGE)]
    except PackageNotFoundError:  # a source tree on PYTHONPATH
        versions = []
    return {
        "package-name": _PACKAGE,
        "name": "cxflow",
        "description": "Customer-experience data from every system into one touchpoint warehouse.",
        "versions": versions,
        "connection-types": forms.installed(),
        "extra-links": ["cxflow.airflow.links.QuarantineLink", "cxflow.airflow.links.ReportLink"],
    }
