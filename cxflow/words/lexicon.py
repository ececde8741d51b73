"""Sentiment by a lexicon: the model `lexicon`, for English, Spanish and Portuguese.

Each word of a text has a weight from −3 to 3 in its language's lexicon (`lexicons/*.toml`, written for cxflow). A word
is turned by a negation shortly before it in its clause ("no fue malo"), raised by an intensifier ("muy bueno"), lowered
by a diminisher. A text's score is (P − N) ÷ (P + N + 2), of the sums of its positive and negative weights: −1 to 1.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxflow.model.text_model import Scores, TextModel, Texts
from cxflow.words import tokens as tokenising
from cxflow.words.terms import NONE, Terms, normal
from cxflow.words.tokens import Codes, Tokens

LANGUAGES = ("en", "es", "pt")
"""The languages it knows; a text in another one has no sentiment."""
REACH_WORDS = 4
"""How many words after a negation are turned by it, within its clause: "nunca he tenido un mal …"."""
TURNED = -0.6
"""What a negation makes of a weight: "not good" is less bad than "bad"."""
RAISED, LOWERED = 1.4, 0.6
"""What "very" and "somewhat" make of the weight of one of the next two words."""
LITTLE = -0.5
"""What "hardly" makes of it."""
EVIDENCE = 2.0
"""Added to the divisor, so that a single word of weight 2 gives half a point."""
NEUTRAL = 0.2
"""Scores from −0.2 to 0.2 are neutral."""

Floats = NDArray[np.float64]

_ROLES = ("not", "more", "less", "little", "but")
_NOT, _MORE, _LESS, _LITTLE, _BUT = range(1, 6)
_FACTORS = np.array([1, 1, RAISED, LOWERED, LITTLE, 1])
"""By role."""
_NEXT_WORDS = 2


@dataclass(frozen=True)
class _Lexicon:
    """The entries of one language: terms, and of each its weight and its role (0: none)."""

    terms: Terms
    weight: Floats
    role: NDArray[np.int8]


def _content(name: str) -> bytes:
    return (files("cxflow.words") / "lexicons" / f"{name}.toml").read_bytes()


@cache
def of_language(name: str) -> _Lexicon:
    """The lexicon of a language. Raises ValueError for a term that is in it twice."""
    tree: dict[str, Any] = tomllib.loads(_content(name).decode())
    entries: dict[str, tuple[float, int]] = {}

    def add(term: str, weight: float, role: int) -> None:
        # What has a role may have a weight, too, but not two of either.
        before = entries.get(term, (0.0, 0))
        if term in entries and (role == 0 or before[1]):
            raise ValueError(f"{name}: {term!r} is there twice")
        entries[term] = (weight or before[0], role or before[1])

    for weight, terms in tree["weights"].items():
        for term in normal(terms):
            add(term, float(weight), 0)
    for number, role in enumerate(_ROLES, 1):
        for term in normal(tree.get(role, ())):
            add(term, 0.0, number)
    weights, roles = zip(*entries.values(), strict=True)
    return _Lexicon(Terms(list(entries)), np.array(weights), np.array(roles, np.int8))


def score(texts: Texts) -> Scores:
    """The sentiment of each text in a language that the lexicon knows: null for the others."""
    tokens = tokenising.of(texts.text)
    weight, role = _entries(tokens, texts.language)
    weight = _in_context(tokens, weight, role)
    positive = np.bincount(tokens.text, np.maximum(weight, 0), tokens.texts)
    negative = np.bincount(tokens.text, np.maximum(-weight, 0), tokens.texts)
    found = positive + negative
    number = np.round((positive - negative) / (found + EVIDENCE), 4)
    # Whatever the language, an emoji says something; where nothing does, an unknown language leaves it open.
    is_unnamed = texts.language.is_null().to_numpy(zero_copy_only=False)
    is_unknown = np.where(is_unnamed, found == 0, ~_among(texts.language, LANGUAGES))
    label = np.select([number > NEUTRAL, number < -NEUTRAL], ["positive", "negative"], "neutral")
    # Of a neutral text, how much speaks for it being mixed; nothing, where no word has a weight.
    confidence = np.where(
        label == "neutral", found / (found + EVIDENCE) * (1 - np.abs(number)), np.abs(number)
    )
    return Scores(
        number=pa.array(number, mask=is_unknown),
        string=pa.array(label.tolist(), pa.string(), mask=is_unknown),
        confidence=pa.array(np.round(confidence, 4), mask=is_unknown),
    )


def _among(languages: pa.Array, known: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(languages, value_set=pa.array(known)).to_numpy(zero_copy_only=False), np.bool_)


def _entries(tokens: Tokens, languages: pa.Array) -> tuple[Floats, NDArray[np.int8]]:
    """The weight and the role of each token: from its text's language, else from the first other one that knows it.
    Short texts are often taken for another language, and people mix them."""
    weight, role = np.zeros(len(tokens.code)), np.zeros(len(tokens.code), np.int8)
    is_open = np.ones(len(tokens.code), np.bool_)

    def fill(name: str, where: NDArray[np.bool_], found: Codes) -> None:
        known, here = of_language(name), where & (found >= 0)
        weight[here], role[here] = known.weight[found[here]], known.role[found[here]]
        is_open[where & (found != NONE)] = False

    each = {name: of_language(name).terms.find(tokens) for name in (*LANGUAGES, "any")}
    for name in LANGUAGES:
        fill(name, _among(languages, (name,))[tokens.text], each[name])
    for name in ("any", *LANGUAGES):
        fill(name, is_open, each[name])
    return weight, role


def _in_context(tokens: Tokens, weight: Floats, role: NDArray[np.int8]) -> Floats:
    """The weights after negations, intensifiers and diminishers before them in the same clause."""
    places = np.flatnonzero(weight)
    ends = tokens.boundary | (role == _BUT)
    is_near = np.ones(len(places), np.bool_)
    factor, is_turned = np.ones(len(places)), np.zeros(len(places), np.bool_)
    for back in range(1, REACH_WORDS + 1):
        before = np.maximum(places - back, -1)  # −1 is the last token: a boundary
        is_near &= ~ends[before]
        found = np.where(is_near, role[before], 0)
        is_turned |= found == _NOT
        if back <= _NEXT_WORDS:
            factor *= _FACTORS[found]
    made = weight.copy()
    made[places] *= np.where(is_turned, factor * TURNED, factor)
    return made


def model() -> TextModel:
    """The model, whose version is that of its lexicons and its rules."""
    digest = hashlib.sha256(b"".join(_content(name) for name in (*LANGUAGES, "any")))
    return TextModel("lexicon", f"1-{digest.hexdigest()[:8]}", "sentiment", score)
