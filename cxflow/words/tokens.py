"""Splits texts into words, without a loop over texts: the words of all texts are one array of codes.

Accents, capitals and apostrophes do not count: people leave them out. A smiley of characters becomes an emoji, and the
end of a clause a token of its own, so that nothing is read across it. Used by `terms`, for sentiment and topics alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LONGEST_CHARACTERS = 4_000
"""What lies beyond is not read: the judgement of a longer text stands in its beginning."""
BOUNDARY = "."
"""The token at the end of each clause, and of each text."""

Codes = NDArray[np.int32]

_MARKS = r"\p{Mn}+"
_APOSTROPHES = r"['’`´]"
_SIGNS = (
    (r"[:;=]-?(?:[)\]]|[dp]\b)", " 🙂 "),  # after lower-casing: `:D` is `:d`
    (r"[:;=]'?-?[(\[]", " 🙁 "),
    (r"<3+", " ❤ "),
)
_BOUNDARIES = r"[.,;:!?¡¿()\[\]…\n\r|]+|\s[-–—]+\s"
_EMOJI = r"([\p{So}])"
_OTHERS = r"[^\p{L}\p{N}\p{So}\s.]+"
_LENGTHENED = "|".join(f"{letter}{{3,}}" for letter in "abcdefghijklmnopqrstuvwxyz")
"""RE2 has no back-references."""


class Shortened(NamedTuple):
    """Lengthened words, as they are usually written."""

    places: NDArray[np.intp]
    """Their places among the different words."""
    words: list[pa.StringArray]
    """Each with the repeated letter once; and twice."""


@dataclass(frozen=True)
class Tokens:
    """The words of some texts, in order. Each text ends with a `BOUNDARY`."""

    words: pa.StringArray
    """The different words."""
    code: Codes
    """Of each token, its place in `words`."""
    text: Codes
    """Of each token, the number of its text."""
    texts: int
    """How many texts there are, those without a word included."""

    @cached_property
    def boundary(self) -> NDArray[np.bool_]:
        """Whether each token is a boundary."""
        known: int = pc.index(self.words, BOUNDARY).as_py()
        return np.asarray(self.code == known, np.bool_)

    @cached_property
    def shortened(self) -> Shortened:
        """The words with a letter three or more times in a row (`buenoooo`)."""
        found = pc.match_substring_regex(self.words, _LENGTHENED)
        places = np.flatnonzero(found.to_numpy(zero_copy_only=False))
        words = self.words.take(places).to_pylist()
        each = ([re.sub(r"(\w)\1{2,}", by, word) for word in words] for by in (r"\1", r"\1\1"))
        return Shortened(places, [pa.array(some, pa.string()) for some in each])


def folded(texts: pa.Array) -> pa.Array:
    """Texts in lower case, without accents and apostrophes, cut to `LONGEST_CHARACTERS`."""
    texts = pc.utf8_slice_codeunits(texts, 0, LONGEST_CHARACTERS)
    texts = pc.utf8_normalize(pc.utf8_lower(texts), "NFKD")
    return pc.replace_substring_regex(texts, _MARKS, "")


def split(texts: pa.Array) -> Tokens:
    """The tokens of texts, none of which is null."""
    line = folded(texts)
    for pattern, sign in _SIGNS:
        line = pc.replace_substring_regex(line, pattern, sign)
    line = pc.replace_substring_regex(line, _APOSTROPHES, "")
    line = pc.replace_substring_regex(line, _BOUNDARIES, f" {BOUNDARY} ")
    line = pc.replace_substring_regex(line, _EMOJI, r" \1 ")
    line = pc.replace_substring_regex(line, _OTHERS, " ")
    line = pc.binary_join_element_wise(line, pa.scalar(f" {BOUNDARY}", line.type), "")
    pieces = pc.utf8_split_whitespace(line)  # a regular expression would take four times as long
    text = pc.list_parent_indices(pieces)
    words = pc.list_flatten(pieces)
    is_word = pc.not_equal(words, "")
    encoded = words.filter(is_word).dictionary_encode()
    return Tokens(
        encoded.dictionary,
        encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        text.filter(is_word).to_numpy(zero_copy_only=False).astype(np.int32),
        len(texts),
    )


@dataclass(slots=True)
class _Last:
    texts: pa.Array | None = None
    tokens: Tokens | None = None


_last = _Last()


def of(texts: pa.Array) -> Tokens:
    """The tokens of texts. Those of the last array are kept: several models ask for the same."""
    if _last.texts is not texts or _last.tokens is None:
        _last.texts, _last.tokens = texts, split(texts)
    return _last.tokens
