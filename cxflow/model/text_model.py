"""What a model of texts declares. cxflow's own are in `words`; a plugin brings others by `cxflow_text_models`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Signal = Literal["language", "sentiment", "topic"]
SIGNALS: tuple[Signal, ...] = ("language", "sentiment", "topic")
"""The signals that are computed of texts, in the order of their computation."""
SENTIMENTS = ("negative", "neutral", "positive")
"""The words of the signal `sentiment`."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Some texts to score, one per touchpoint: what the customer wrote there, all together."""

    text: pa.StringArray
    """The texts: none is null or blank."""
    language: pa.StringArray
    """The language of each, BCP 47, null where it is not known; all null for a model of languages."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of some texts: one value per text, in their order. A text whose number and string are null gets no
    signal."""

    number: pa.Array | None = None
    """Doubles; of a sentiment from −1 (bad) to 1 (good)."""
    string: pa.Array | None = None
    """Strings: the language (BCP 47), `negative`, `neutral` or `positive`, or the topic."""
    confidence: pa.Array | None = None
    """Doubles from 0 to 1."""


@dataclass(frozen=True, slots=True)
class TextModel:
    """A model that computes one signal of texts."""

    name: str
    """What `[words]` in `cxflow.toml` calls it; snake_case."""
    version: str
    """Another version scores all texts anew."""
    signal: Signal
    """What it computes."""
    score: Callable[[Texts], Scores]
    """Scores a batch of texts. The same texts must always get the same scores, whatever stands beside them."""
