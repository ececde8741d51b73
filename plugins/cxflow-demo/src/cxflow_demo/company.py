"""The company's services: what each vendor's imitation knows on a day. Called by `cxflow demo` and `cxflow sandbox`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cxflow import ConfigError
from cxflow.connect import registry

from cxflow_demo import twilio, typeform
from cxflow_demo.clock import LAST, at
from cxflow_demo.disorder import Delivery
from cxflow_demo.record import Row
from cxflow_demo.served import SERVED
from cxflow_demo.surveys import FORMS, Response

if TYPE_CHECKING:
    from cxflow.model.service import ServiceDeclaration

Seen = Mapping[str, Sequence[Delivery]]
"""Stream to the newest version of each of its records."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Whose service answers for a system of the company."""

    system: str
    """The connection's name."""
    url: str
    """The environment variable that `cxflow.toml` takes the address from."""
    records: Callable[[Seen], dict[str, Any]]
    """What the imitation is given, by the names of its fields."""
    clock: str | None = None
    """The field of the imitation that is its clock, if what it knows depends on the time."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the imitation that make it answer at full speed: limits are the vendor's, and the time is ours."""


def _shopify(seen: Seen) -> dict[str, Any]:
    orders = seen["shop.orders"]
    return {
        "orders": _live(orders),
        "customers": _live(seen["shop.customers"]),
        "events": [each.row() for each in orders if each.record.is_deleted],
    }


def _zendesk(seen: Seen) -> dict[str, Any]:
    # The export goes on showing deleted tickets.
    return {
        "tickets": [each.row() for each in seen["desk.tickets"]],
        "users": [each.row() for each in seen["desk.users"]],
    }


def _typeform(seen: Seen) -> dict[str, Any]:
    given: dict[str, list[Row]] = {form: [] for form in FORMS}
    for each in seen["surveys.responses"]:
        assert isinstance(each.record, Response)
        given[each.record.form].append(each.row())
    forms = [typeform.form(name, title, metrics) for name, (title, metrics) in FORMS.items()]
    return {"forms": forms, "responses": given}


def _trustpilot(seen: Seen) -> dict[str, Any]:
    return {"service_reviews": _live(seen["trustpilot.service_reviews"])}


def _hubspot(seen: Seen) -> dict[str, Any]:
    return {"objects": {"contacts": _live(seen["hubspot.contacts"])}}


def _twilio(seen: Seen) -> dict[str, Any]:
    tasks = [each.row() for each in seen["voice.tasks"]]
    return {
        "calls": _live(seen["voice.calls"]),
        "events": [event for task in tasks for event in twilio.events(task)],
    }


def _live(deliveries: Sequence[Delivery]) -> list[Row]:
    return [each.row() for each in deliveries if not each.record.is_deleted]


VENDORS: Mapping[str, Vendor] = {
    "shopify": Vendor(
        "shop",
        "SHOPIFY_URL",
        _shopify,
        limits={"maximum": 1e9, "available": 1e9, "restored_per_second": 1e9, "most_per_query": 1e6},
    ),
    "typeform": Vendor("surveys", "TYPEFORM_URL", _typeform),
    "zendesk": Vendor("desk", "ZENDESK_URL", _zendesk),
    "trustpilot": Vendor("trustpilot", "TRUSTPILOT_URL", _trustpilot),
    "hubspot": Vendor("hubspot", "HUBSPOT_URL", _hubspot),
    "twilio": Vendor("voice", "TWILIO_URL", _twilio, clock="now"),
}
"""Vendor to its part in the company."""


class Company:
    """The services of a simulated company, which know what had happened up to a day."""

    def __init__(
        self, deliveries: Mapping[str, Sequence[Delivery]], vendors: Sequence[str] = tuple(VENDORS)
    ) -> None:
        """Raises ConfigError if a vendor's plugin, or what its imitation needs, is not installed."""
        self._deliveries = {stream: deliveries[stream] for stream in SERVED}
        self.services: dict[str, ServiceDeclaration] = {name: _made(name) for name in vendors}
        self.show(LAST)

    def show(self, until: date) -> None:
        """Let the services know what was delivered up to and including a day."""
        seen: dict[str, list[Delivery]] = {}
        for stream, arriving in self._deliveries.items():
            newest = {each.record.key: each for each in arriving if each.day <= until}
            seen[stream] = list(newest.values())
        for name, service in self.services.items():
            for attribute, records in VENDORS[name].records(seen).items():
                setattr(service, attribute, records)
            if clock := VENDORS[name].clock:
                setattr(service, clock, at(until + timedelta(days=1), 0))

    @contextmanager
    def served(self, first_port: int | None = None) -> Iterator[dict[str, str]]:
        """Vendor to URL, for the block: on consecutive ports, or any that are free. Raises ConfigError for a port that
        is taken."""
        from cxflow.testing.service import served

        with ExitStack() as stack:
            found = {}
            for name, service in self.services.items():
                port = 0 if first_port is None else first_port + list(VENDORS).index(name)
                try:
                    found[name] = stack.enter_context(served(service.application(), port))
                except OSError as problem:
                    raise ConfigError(
                        f"port {port} cannot be used for {name}: {problem.strerror}",
                        value=str(port),
                        fix="choose another with --port",
                    ) from problem
            yield found

    def environment(self, urls: Mapping[str, str]) -> dict[str, str]:
        """The variables that the demo's `cxflow.toml` needs to reach services at these URLs: addresses and secrets."""
        found: dict[str, str] = {}
        for name, url in urls.items():
            service = self.services[name]
            wanted = service.connection(url)
            found[VENDORS[name].url] = wanted["base_url"]
            secrets = {
                setting["env"]
                for setting in wanted.values()
                if isinstance(setting, dict) and set(setting) == {"env"}
            }
            found |= {each: value for each, value in service.environment.items() if each in secrets}
        return found


def _made(name: str) -> ServiceDeclaration:
    """A vendor's imitation, without records."""
    if not importlib.util.find_spec("starlette") or not importlib.util.find_spec("uvicorn"):
        raise ConfigError(
            "what serves the services is not installed", fix="pip install 'cxflow-framework[sandbox]'"
        )
    makers = registry.services(registry.plugins())
    if name not in makers:
        raise ConfigError(
            f"no plugin brings the service {name!r}", value=name, fix=f"pip install cxflow-{name}"
        )
    return makers[name](**VENDORS[name].limits)
