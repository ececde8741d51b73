"""The buttons of a task in Airflow that lead to the report: to the page, and to what it says of a stream's quarantine.

The report is where the team puts it, `[airflow] report_url`. Airflow asks for a link in the process of the task, when
that has ended in whatever way.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink


class ReportLink(BaseOperatorLink):
    """To the page, wherever the team put it."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - the report is one for all runs
        """The address of the page."""
        return str(operator.report_url)


class QuarantineLink(BaseOperatorLink):
    """To the stream's line in the report: how many of its records are in quarantine, and below it, for which rules."""

    name = "Quarantine"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """The address of the line."""
        connection, stream = operator.stream
        return f"{operator.report_url}#stream-{quote(connection)}.{quote(stream)}"
