"""The known activities of touchpoints, with their journey stage, direction and control.

`conform` fills `journey_stage`, `control` and `direction` from here if a mapping leaves them out; `kpis` uses it to
find support contacts and visits to self-service. Other activities are allowed (verb_noun, past tense); their mapping
must set these columns itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cxflow.model.names import nearest

JourneyStage = Literal["before", "during", "after"]
Control = Literal["owned", "external"]
Direction = Literal["inbound", "outbound"]

ACTIVITY_NAME = "[a-z]+(_[a-z]+)+"
"""How an activity is named, as a regular expression: verb_noun."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One kind of touchpoint."""

    name: str
    """verb_noun, past tense, the customer as subject where the customer acts."""
    stage: JourneyStage
    """Stage of the journey: before, during or after the purchase."""
    direction: Direction = "inbound"
    """inbound: from the customer; outbound: from the brand."""
    control: Control = "owned"
    """Whether it happens on a channel that the brand controls (owned) or not (external)."""
    is_support: bool = False
    """Whether it is a support contact, counted by contact rate and first contact resolution."""
    is_self_service: bool = False
    """Whether customers look for help without asking a person, counted by the deflection rate."""


ACTIVITIES: dict[str, Activity] = {
    activity.name: activity
    for activity in (
        Activity("received_campaign", "before", "outbound"),
        Activity("opened_campaign", "before"),
        Activity("visited_page", "before"),
        Activity("became_contact", "before"),
        Activity("became_lead", "before"),
        Activity("became_customer", "before"),
        Activity("placed_order", "during"),
        Activity("paid_order", "during"),
        Activity("cancelled_order", "during"),
        Activity("received_delivery", "after", "outbound"),
        Activity("returned_order", "after"),
        Activity("received_refund", "after", "outbound"),
        Activity("called_support", "after", is_support=True),
        Activity("contacted_support", "after", is_support=True),
        Activity("read_help_page", "after", is_self_service=True),
        Activity("asked_bot", "after", is_self_service=True),
        Activity("entered_queue", "after"),
        Activity("received_call", "after", "outbound"),
        Activity("visited_place", "during"),
        Activity("wrote_message", "after"),
        Activity("received_message", "after", "outbound"),
        Activity("received_survey", "after", "outbound"),
        Activity("answered_survey", "after"),
        Activity("left_survey", "after"),
        Activity("wrote_review", "after", control="external"),
        Activity("received_reply", "after", "outbound", control="external"),
        Activity("filed_complaint", "after", control="external", is_support=True),
    )
}

SUPPORT_ACTIVITIES = tuple(activity.name for activity in ACTIVITIES.values() if activity.is_support)
SELF_SERVICE_ACTIVITIES = tuple(activity.name for activity in ACTIVITIES.values() if activity.is_self_service)


def remark(activity: str) -> str:
    """What it means that an activity is none of the known ones, with the nearest of them."""
    near = nearest(activity, ACTIVITIES) or "."
    return (
        f"the activity {activity!r} is none that cxflow knows{near} No KPI counts it as a contact, and its stage, "
        "direction and control are only what the mapping says"
    )
