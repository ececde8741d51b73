"""The conformance suite, on a morning that TaskRouter still knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import account
from conftest import LONG_SLICES, PLUGINS
from cxflow.testing import conformance

from cxflow_twilio.service import TwilioService


def _connection(url: str) -> dict[str, Any]:
    found = TwilioService().connection(url)
    streams = {name: dict(each) for name, each in found["streams"].items()}
    streams["events"]["slices"] = LONG_SLICES
    return {**found, "streams": streams}


TestTwilio = conformance(
    _connection,
    service=lambda: account.of_one_morning().application(),
    project={**PLUGINS, "project": {"country": "GB"}},
    environment=TwilioService().environment,
    end=account.MORNING + timedelta(days=1),
)
