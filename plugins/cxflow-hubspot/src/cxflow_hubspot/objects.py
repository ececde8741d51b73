"""How HubSpot is asked for CRM objects: those changed in a window by search, archived ones by list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cxflow import Projection, http
from pydantic import model_validator

_SEARCH_PAGE = 200
_LIST_PAGE = "100"
_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""Before HubSpot: a filter needs a value."""


class HubSpotStream(http.RestStream):
    """A stream of HubSpot, with the properties that are asked for."""

    object_type: str = ""
    """What HubSpot calls such objects, in paths; "": no CRM object."""
    of_contacts: bool = False
    """Whether the contacts that a record belongs to are asked for."""
    asked: tuple[str, ...] = ()
    """The properties that the connector's own mapping needs."""
    properties: tuple[str, ...] = ()
    """Further properties to ask for, such as an account's own. A mapping has them as `properties.name`."""

    @model_validator(mode="before")
    @classmethod
    def _asks_for_properties(cls, values: Any) -> Any:
        """Put the properties into the request. One that nobody has set, or an account does not have, may be absent."""
        if not isinstance(values, Mapping) or not values.get("asked"):
            return values
        own = values.get("properties", ())
        own = (own,) if isinstance(own, str) else tuple(own)
        wanted = list(dict.fromkeys((*values["asked"], *own)))
        absent = (f"properties.{each}" for each in wanted)
        return {
            **values,
            "body": {**values["body"], "properties": wanted},
            "may_lack": tuple(dict.fromkeys((*values.get("may_lack", ()), *absent))),
        }


def names(listed: str) -> tuple[str, ...]:
    """Names of properties, from a text with blanks between them."""
    return tuple(listed.split())


def value(name: str) -> str:
    """SQL: the value of a property. An empty one counts as none: HubSpot writes both."""
    return f"nullif(properties.{name}, '')"


_RIGHTS = {
    "contacts": "crm.objects.contacts.read",
    "companies": "crm.objects.companies.read",
    "deals": "crm.objects.deals.read",
    "tickets": "tickets",
    "calls": "crm.objects.contacts.read",
    "emails": "sales-email-read",
    "feedback_submissions": "crm.objects.feedback_submissions.read",
}
"""The scope that each type of objects needs."""


def changed_objects(
    object_type: str,
    title: str,
    *,
    changed: str = "hs_lastmodifieddate",
    asked: tuple[str, ...],
    personal: tuple[str, ...],
    to: Mapping[str, Projection | Mapping[str, str] | Sequence[Projection | Mapping[str, str]]],
    identifiers: dict[str, str] | None = None,
    of_contacts: bool = False,
) -> HubSpotStream:
    """The stream of a type of CRM objects. `changed` is the property with the time of the last change, `personal` are
    those with personal data."""
    path = f"/crm/v3/objects/{object_type}"
    within = [
        {"propertyName": changed, "operator": "GTE", "value": "{start:epoch_ms}"},
        {"propertyName": changed, "operator": "LT", "value": "{end:epoch_ms}"},
        {"propertyName": "hs_object_id", "operator": "GT", "value": "0"},
    ]
    return HubSpotStream(
        name=object_type,
        title=title,
        object_type=object_type,
        of_contacts=of_contacts,
        right=_RIGHTS[object_type],
        asked=asked,
        primary_key=("id",),
        # An archived record keeps the time of its last change; one that is restored gets a new one.
        version="coalesce(archivedAt, updatedAt)",
        deleted="archived = 'true'",
        # What just changed is found only after a while.
        lag=timedelta(seconds=60),
        overlap=timedelta(minutes=5),
        # A contact may be added to a record without changing the record.
        look_back=timedelta(days=1) if of_contacts else timedelta(0),
        # Properties that are dates have no time.
        timezone="UTC",
        path=f"{path}/search",
        body={
            "filterGroups": [{"filters": within}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "limit": _SEARCH_PAGE,
        },
        records="results",
        # Search answers 10,000 records at most. Each page starts behind the last id of the one before, not at an
        # offset: a record that changes meanwhile leaves the window, and all behind it would move up by one.
        pages=http.Keyset(anchor="filterGroups.0.filters.2.value", cap=1, size="limit"),
        earliest=_FIRST_DAY,
        sweeps=(
            http.Call(
                path=path,
                params={"limit": _LIST_PAGE, "archived": "true"},
                records="results",
                pages=http.Token(token="paging.next.after", param="after", size="limit"),
                changed="archivedAt",
            ),
        ),
        may_lack=("archivedAt", "archived", *(("_contact", "_contacts") if of_contacts else ())),
        pii=tuple(f"properties.{each}" for each in personal),
        identifiers=identifiers or {},
        to=to,
    )
