"""What a form's questions measure, and on which scale: by its definition, by rules, and by settings that name
a question's ref.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WORDS: dict[str, tuple[str, ...]] = {
    "nps": ("recommend", "recomend", "recommand", "empfehl", "consigli", "aanbevel"),
    "csat": ("satisf", "zufrieden", "soddisf", "tevreden", "happy"),
    "ces": ("easy", "effort", "einfach", "leicht", "fácil", "facile", "facil", "makkelijk"),
}
"""What titles of rated questions have in them, in lower case; the first metric that fits counts."""
_RATED = ("nps", "opinion_scale", "rating")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with a rating."""

    field: str
    """Its id."""
    metric: str
    """nps, csat, ces; `rating` if it is none of these."""
    worst: int
    best: int

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        return {"field": self.field, "metric": self.metric, "worst": self.worst, "best": self.best}


def rated(definition: Mapping[str, Any], named: Mapping[str, str]) -> Iterator[Question]:
    """The rated questions of a form's definition. `named`: ref to metric, by the settings."""
    for field in _fields(definition):
        if field.get("type") not in _RATED:
            continue
        metric = named.get(str(field.get("ref"))) or _by_rule(field)
        yield Question(str(field["id"]), metric, *_scale(field))


def _fields(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The fields of a form, those in groups included."""
    for field in holder.get("fields") or ():
        yield field
        yield from _fields(field.get("properties") or {})


def _by_rule(field: Mapping[str, Any]) -> str:
    """By its type, else by the words of its title: another scale than 0 to 10 is no NPS."""
    if field["type"] == "nps":
        return "nps"
    title = str(field.get("title") or "").lower()
    for metric, words in WORDS.items():
        if any(word in title for word in words) and (metric != "nps" or _scale(field) == (0, 10)):
            return metric
    return "rating"


def _scale(field: Mapping[str, Any]) -> tuple[int, int]:
    """Its worst and its best point."""
    if field["type"] == "nps":
        return 0, 10
    properties = field.get("properties") or {}
    steps = int(properties.get("steps") or (5 if field["type"] == "rating" else 11))
    worst = 1 if field["type"] == "rating" or properties.get("start_at_one") else 0
    return worst, worst + steps - 1
