"""The suite that every connector passes, against the imitation."""

from __future__ import annotations

from cxflow.testing import conformance
from invented_account import account

from cxflow_zendesk.service import ZendeskService

_CONNECTION = {name: value for name, value in ZendeskService.connection("").items() if name != "base_url"}

TestZendesk = conformance(
    connection=_CONNECTION,
    service=lambda: account().application(),
    environment=account().environment,
)
