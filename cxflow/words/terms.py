"""Finds terms in texts: words (`late`), beginnings of words (`devol*`) and phrases (`never arriv*`).

Words are compared once each, however often they occur. A phrase goes before its words, and a whole word before the
beginning of one; of two beginnings, the longer one counts. Used by `lexicon` and `topics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxflow.words.tokens import BOUNDARY, Codes, Tokens, split

NONE = -1
"""The number of no term."""
PART = -2
"""That of the further words of a phrase."""
ANY_ENDING = "*"


def normal(terms: Sequence[str]) -> list[str]:
    """Terms as they are compared: their words without capitals, accents and signs. Raises ValueError for a term without
    a word, and for a star that is not at the end of a word."""
    words = [(number, word) for number, term in enumerate(terms) for word in term.split()]
    stems = [word.removesuffix(ANY_ENDING) for _, word in words]
    tokens = split(pa.array(stems, pa.string()))
    found: list[list[str]] = [[] for _ in stems]
    for place, token in zip(tokens.text.tolist(), tokens.words.take(tokens.code).to_pylist(), strict=True):
        if token != BOUNDARY:
            found[place].append(token)
    made: list[list[str]] = [[] for _ in terms]
    for (number, word), stem, pieces in zip(words, stems, found, strict=True):
        if ANY_ENDING in stem or (stem != word and len(pieces) != 1):
            raise ValueError(f"{terms[number]!r}: a star stands at the end of a word")
        made[number] += [*pieces[:-1], pieces[-1] + word[len(stem) :]] if pieces else []
    if empty := [term for term, pieces in zip(terms, made, strict=True) if not pieces]:
        raise ValueError(f"{empty[0]!r} has no word")
    return [" ".join(pieces) for pieces in made]


class Terms:
    """A set of terms, each with its number."""

    def __init__(self, terms: Sequence[str]) -> None:
        """`terms` are `normal` and all different; their numbers are their places."""
        self._words: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._phrases: list[tuple[int, list[str]]] = []
        for number, term in enumerate(terms):
            if " " in term:
                self._phrases.append((number, term.split()))
            elif term.endswith(ANY_ENDING):
                self._stems[term.removesuffix(ANY_ENDING)] = number
            else:
                self._words[term] = number
        self._phrases.sort(
            key=lambda each: len(each[1])
        )  # of two that begin at one word, the longer one stays

    def find(self, tokens: Tokens) -> Codes:
        """Of each token, the number of the term that it is, or `NONE`. A phrase is found at its first word; its further
        words are `PART`."""
        found = self._of_words(tokens)[tokens.code]
        for number, words, places in self._phrases_in(tokens):
            for further in range(1, len(words)):
                found[places + further] = PART
            found[places] = number
        return found

    def _of_words(self, tokens: Tokens) -> Codes:
        """Of each different word, the number of its term."""
        found = self._numbers(tokens.words)
        for shorter in tokens.shortened.words:
            places = tokens.shortened.places
            found[places] = np.where(found[places] == NONE, self._numbers(shorter), found[places])
        return found

    def _numbers(self, words: pa.Array) -> Codes:
        found = np.full(len(words), NONE, np.int32)
        for length in sorted({len(stem) for stem in self._stems}):  # the longest last
            stems = {stem: number for stem, number in self._stems.items() if len(stem) == length}
            _look_up(pc.utf8_slice_codeunits(words, 0, length), stems, found)
        _look_up(words, self._words, found)
        return found

    def _phrases_in(self, tokens: Tokens) -> Iterator[tuple[int, list[str], NDArray[np.intp]]]:
        """Each phrase that occurs: its number, its words and the places of its first word."""
        code = tokens.code
        each_word = sorted({word for _, words in self._phrases for word in words})
        codes = {word: _codes_of(word, tokens.words) for word in each_word}
        is_first = np.zeros(len(tokens.words), np.bool_)
        for _, words in self._phrases:
            is_first[codes[words[0]]] = True
        places = np.flatnonzero(is_first[code])
        places = places[np.argsort(code[places], kind="stable")]
        ordered = code[places]
        for number, words in self._phrases:
            found = [
                places[slice(*np.searchsorted(ordered, (first, first + 1)))] for first in codes[words[0]]
            ]
            here = np.concatenate(found) if found else places[:0]
            for further, word in enumerate(words[1:], 1):
                # Every text ends with a boundary, so that no phrase runs beyond the last token.
                here = here[np.isin(code[np.minimum(here + further, len(code) - 1)], codes[word])]
            if len(here):
                yield number, words, here


def _look_up(words: pa.Array, known: Mapping[str, int], found: Codes) -> None:
    """Fill in the numbers of the words that are known."""
    if known:
        place = pc.index_in(words, value_set=pa.array(list(known))).fill_null(NONE).to_numpy()
        is_known = place != NONE
        found[is_known] = np.array(list(known.values()), np.int32)[place[is_known]]


def _codes_of(word: str, words: pa.Array) -> Codes:
    """The places among the different words of one of a phrase."""
    if word.endswith(ANY_ENDING):
        matches = pc.starts_with(words, word.removesuffix(ANY_ENDING))
        return np.flatnonzero(matches.to_numpy(zero_copy_only=False)).astype(np.int32)
    place = pc.index(words, word).as_py()
    return np.array([place] if place >= 0 else [], np.int32)
