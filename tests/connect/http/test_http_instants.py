"""Times, in the forms in which services write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cxflow.connect.http.instants import instant

AT = datetime(2026, 3, 1, 10, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01T10:15:30Z",
        "2026-03-01T11:15:30+01:00",
        "2026-03-01 10:15:30",
        "Sun, 01 Mar 2026 10:15:30 +0000",
        "Sun, 01 Mar 2026 05:15:30 -0500",
        1772360130,
        "1772360130",
        1772360130000,
        "1772360130000",
    ],
)
def test_one_instant_is_the_same_in_every_form(written: object) -> None:
    assert instant(written) == AT


@pytest.mark.parametrize("written", [None, "", "soon", True, "nan", "9" * 400, {"at": 1}])
def test_what_is_no_time_is_none(written: object) -> None:
    assert instant(written) is None
