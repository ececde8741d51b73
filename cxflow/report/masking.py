"""Masks personal data in the texts of customers. Called by `verbatims`.

What is masked: e-mail addresses, links, handles, runs of five digits and more (telephone numbers, orders, cards, post
codes), the names that the warehouse knows, and those by which people introduce themselves or sign. Other names that no
table knows stay, and so do names in lower case that are not the writer's: `report.verbatims = false` leaves all texts
out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email", re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)*")),
    ("email", re.compile(r"[\w.+%'-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\s?\.\s?[\w-]+)+", re.IGNORECASE)),
    (
        "link",
        re.compile(
            r"\b(?:https?://|www\.)\S+|\b(?:[\w-]+\.)+(?:com|net|org|es|eu|io)(?:/\S*)?\b", re.IGNORECASE
        ),
    ),
    ("handle", re.compile(r"(?<!\w)@\w[\w.]*")),
    # Digits with separators between them, as numbers of telephones and cards are written.
    ("number", re.compile(r"(?<![\w])[+(]?\d(?:[\s().\-/]{0,2}\d){4,}(?!\w)")),
    ("number", re.compile(r"\w*\d{5,}\w*")),
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?¡¿:;\n\"“«(])\s*$")
KINDS = ("email", "link", "handle", "number", "name")
"""What is masked."""
_FIRST_MARK = 0xE000  # for private use: no text needs these characters
_MARK = {kind: chr(_FIRST_MARK + place) for place, kind in enumerate(KINDS)}
_MARKS = re.compile(f"[{''.join(_MARK.values())}]")
_NAME = r"[A-ZÀ-ÖØ-Þ][\w'’-]+(?:\s+(?:(?:de|da|do|dos|del|la|van|von)\s+)*[A-ZÀ-ÖØ-Þ][\w'’.-]*){0,3}"
_INTRODUCED = re.compile(
    rf"(?P<before>\b(?i:my name is|this is|me llamo|mi nombre es|soy|meu nome é|me chamo|sou (?:o|a)?)\s+){_NAME}"
)
_SIGNED = re.compile(
    r"(?P<before>\b(?i:regards|sincerely|yours|cheers|thanks|thank you|saludos|atentamente|un saludo|gracias"
    rf"|att|abs|abraços|atenciosamente|obrigad[oa]|no aguardo)[\s,.!–-]+){_NAME}[\s.]*$"
)
_LAST_LINE = re.compile(rf"(?P<before>\n[\s–-]*){_NAME}[\s.]*$")
SHORTEST_NAME = 3
"""Letters of the shortest word that is masked as a name."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names to mask."""

    known: frozenset[str]
    """Words of anybody's name, in lower case: masked where they are written with a capital letter."""
    ordinary: frozenset[str]
    """Words that some text writes in lower case: with a capital letter at the start of a sentence they are no name."""


def words_of(texts: Iterable[str]) -> set[str]:
    """The words written with a capital letter, in lower case: those that may be names."""
    return {
        word.lower()
        for text in texts
        for word in _WORD.findall(text)
        if word[0].isupper() and len(word) >= SHORTEST_NAME
    }


def ordinary_words(texts: Iterable[str]) -> frozenset[str]:
    """The words that are written in lower case somewhere."""
    return frozenset(word for text in texts for word in _WORD.findall(text) if word.islower())


def mask(text: str, names: Names, own: Collection[str], placeholders: Mapping[str, str]) -> str:
    """A text with a placeholder for each personal datum. `own`: what is known of the writer (names, town), masked
    however it is written. `placeholders`: each of KINDS to what stands in its place."""
    text = _MARKS.sub("", text)
    for kind, pattern in _PATTERNS:
        text = pattern.sub(_MARK[kind], text)
    for signature in (_INTRODUCED, _SIGNED, *(() if text.isupper() else (_LAST_LINE,))):
        text = signature.sub(lambda match: match["before"] + _MARK["name"], text)
    of_writer = {word.lower() for each in own for word in _WORD.findall(each) if len(word) >= SHORTEST_NAME}

    def named(match: re.Match[str]) -> str:
        word, lower = match[0], match[0].lower()
        if lower in of_writer:
            return _MARK["name"]
        if not word[0].isupper() or lower not in names.known:
            return word
        starts = _SENTENCE_START.search(text[: match.start()]) is not None
        return word if starts and lower in names.ordinary else _MARK["name"]

    name = _MARK["name"]
    masked = re.sub(rf"{name}(?:[\s,.-]+{name})+", name, _WORD.sub(named, text))
    return _MARKS.sub(lambda mark: placeholders[KINDS[ord(mark[0]) - _FIRST_MARK]], masked)
