"""What the report says, in English and Spanish: the table `phrases.toml`. Used by `wording` and the template."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from cxflow.report.masking import KINDS

Language = Literal["en", "es"]

LANGUAGES: tuple[Language, ...] = ("en", "es")


def phrase(language: Language, key: str, **values: object) -> str:
    """A phrase of the table with its placeholders filled."""
    text: str = _table()["phrases"][key][LANGUAGES.index(language)]
    return text.format(**values)


def name(language: Language, raw: str) -> str:
    """The name of a channel, an activity or a reason; of one that is not in the table, as the source writes it, with
    spaces."""
    if known := _table()["names"].get(raw):
        return str(known[LANGUAGES.index(language)])
    words = raw.replace("_", " ").strip()
    return words if words != words.lower() else words[:1].upper() + words[1:]


def said(language: Language, english: str) -> str:
    """What the warehouse says of a KPI: how its interval is computed, why it has none. What the table does not have,
    such as what a plugin says, stays in English."""
    return str(_table()["texts"].get(english, english)) if language == "es" else english


def month(language: Language, number: int) -> str:
    """The name of a month, 1 to 12."""
    return str(_table()["months"][language][number - 1])


def is_known(key: str) -> bool:
    """Whether the table has this phrase."""
    return key in _table()["phrases"]


def placeholders(language: Language) -> dict[str, str]:
    """What stands in the place of personal data, by kind."""
    return {kind: phrase(language, f"mask_{kind}") for kind in KINDS}


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files(__package__).joinpath("phrases.toml").read_text(encoding="utf-8"))
