"""The suite that every connector passes, against the imitation."""

from __future__ import annotations

from cxflow.testing import conformance
from invented_forms import account

from cxflow_typeform.service import TypeformService

_CONNECTION = {name: value for name, value in TypeformService.connection("").items() if name != "base_url"}

TestTypeform = conformance(
    connection=_CONNECTION,
    service=lambda: account().application(),
    environment=account().environment,
)
