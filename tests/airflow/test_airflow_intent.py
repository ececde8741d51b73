"""What a run means, as a table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cxflow.airflow.intent import Intent, intent
from cxflow.errors import ConfigError

START = datetime(2026, 3, 1, 2, tzinfo=UTC)
END = datetime(2026, 3, 2, 2, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
JAN = datetime(2026, 1, 1, tzinfo=UTC)
FEB = datetime(2026, 2, 1, tzinfo=UTC)
NONE = {"start": None, "end": None}
BOTH = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T01:00:00+01:00"}


@pytest.mark.parametrize(
    ("run_type", "interval", "params", "meant"),
    [
        ("scheduled", (START, END), NONE, Intent("scheduled", None, END)),
        ("scheduled", (START, END), {}, Intent("scheduled", None, END)),
        ("backfill", (START, END), NONE, Intent("backfill", START, END)),
        ("manual", (None, None), NONE, Intent("scheduled", None, NOW)),
        # A date given by hand brings an interval along; the run stands for the date all the same.
        ("manual", (START, END), NONE, Intent("scheduled", None, NOW)),
        ("manual", (None, None), BOTH, Intent("backfill", JAN, FEB)),
        ("manual", (START, END), BOTH, Intent("backfill", JAN, FEB)),
        ("manual", (None, None), {**BOTH, "end": None}, Intent("backfill", JAN, NOW)),
        ("manual", (None, None), {**BOTH, "start": ""}, Intent("backfill", None, FEB)),
        ("operator_triggered", (None, None), NONE, Intent("scheduled", None, NOW)),
        ("operator_triggered", (None, None), BOTH, Intent("backfill", JAN, FEB)),
        ("asset_triggered", (None, None), NONE, Intent("scheduled", None, NOW)),
    ],
)
def test_a_run_means(
    run_type: str,
    interval: tuple[datetime | None, datetime | None],
    params: dict[str, object],
    meant: Intent,
) -> None:
    assert intent(run_type, *interval, params, NOW) == meant


@pytest.mark.parametrize(
    ("run_type", "interval", "params", "fault"),
    [
        ("manual", (None, None), {"start": "2026-01-01T00:00:00"}, "start has no offset"),
        ("manual", (None, None), {"end": "last week"}, "end is not an ISO 8601 instant"),
        ("manual", (None, None), {"start": BOTH["end"], "end": BOTH["start"]}, "is empty"),
        ("manual", (None, None), {"start": BOTH["start"], "end": BOTH["start"]}, "is empty"),
        ("backfill", (START, END), BOTH, "does not accept the params"),
        ("scheduled", (START, END), BOTH, "does not accept the params"),
        ("scheduled", (None, None), NONE, "without a data interval"),
        ("DagRunType.SCHEDULED", (START, END), NONE, "does not know runs of the type"),
    ],
)
def test_a_run_that_means_nothing_is_refused(
    run_type: str,
    interval: tuple[datetime | None, datetime | None],
    params: dict[str, object],
    fault: str,
) -> None:
    with pytest.raises(ConfigError, match=fault):
        intent(run_type, *interval, params, NOW)
