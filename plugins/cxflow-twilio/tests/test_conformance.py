"""The conformance suite, on a morning that TaskRouter still knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import account
import pytest
from conftest import LONG_SLICES, PLUGINS
from cxflow.testing import conformance

from cxflow_twilio.service import TwilioService


@pytest.fixture
def twilio() -> TwilioService:
    recent = account.of_one_morning(datetime.now(UTC).replace(microsecond=0) - timedelta(days=1))
    recent.now = None
    return recent


_EVENTS = {"path": "${TWILIO_URL}/v1/Workspaces/{workspace}/Events"}
TestTwilio = conformance(
    connection={
        "connector": "twilio",
        "base_url": "${TWILIO_URL}",
        "private_network": True,
        "account_sid": account.ACCOUNT,
        "key_sid": "SK00000000000000000000000000000001",
        "secret": {"env": "TWILIO_SECRET"},
        "workspace": account.WORKSPACE,
        "streams": {"events": {**_EVENTS, "slices": LONG_SLICES}, "tasks": _EVENTS},
    },
    source=lambda _: None,
    project={**PLUGINS, "project": {"country": "GB"}},
)
