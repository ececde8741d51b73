"""No personal datum of a text reaches the page."""

from __future__ import annotations

import pytest

from cxflow.report.masking import Names, mask, ordinary_words, words_of

PLACEHOLDERS = {kind: f"[{kind}]" for kind in ("email", "link", "handle", "number", "name")}
NAMES = Names(known=frozenset({"laura", "will", "ibáñez"}), ordinary=frozenset({"will"}))


def masked(text: str, *own: str) -> str:
    return mask(text, NAMES, own, PLACEHOLDERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to ada.b+c@mail.example.org, please", "Write to [email], please"),
        ("ada (at) example . org", "[email]"),
        ("see https://example.org/u/77?a=b now", "see [link] now"),
        ("see www.example.org and shop.example.com", "see [link] and [link]"),
        ("ask @ada_b about it", "ask [handle] about it"),
        ("call +34 612 34 56 78 at noon", "call [number] at noon"),
        ("call (91) 555-12-34", "call [number]"),
        ("order 100045 and card 4111 1111 1111 1111", "order [number] and card [number]"),
        ("order ES9121000418 of AB-123456X", "order [number] of AB-[number]"),
    ],
)
def test_addresses_links_and_numbers_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize("text", ["24 hours, 3 days, 100 %", "It cost 1.299,00 €", "5 stars of 5", "in 2026"])
def test_ordinary_numbers_stay(text: str) -> None:
    assert masked(text) == text


def test_names_that_the_warehouse_knows_are_masked_where_they_are_names() -> None:
    assert masked("Thanks to Laura Ibáñez from support") == "Thanks to [name] from support"
    assert masked("Laura was kind") == "[name] was kind"
    assert masked("Ask Will for it") == "Ask [name] for it"
    assert masked("Will never buy again. Will you?") == "Will never buy again. Will you?"
    assert masked("they will come") == "they will come"


def test_the_writers_own_name_and_town_are_masked_however_they_are_written() -> None:
    assert masked("soy de villamenta, QUIROGA", "Ximena Quiroga", "Villamenta") == "soy de [name]"
    assert masked("an ox of Jo", "Jo Ox") == "an ox of Jo"  # two letters are too many words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Orla Byrne and I wait", "My name is [name] and I wait"),
        ("me llamo Águeda", "me llamo [name]"),
        ("No answer. Regards, Orla B.", "No answer. Regards, [name]"),
        ("Fue un desastre.\nSaludos, Águeda de la Peña", "Fue un desastre.\nSaludos, [name]"),
        ("It broke.\nOrla", "It broke.\n[name]"),
        ("MUY MAL\nNO LLEGÓ", "MUY MAL\nNO LLEGÓ"),
        ("Nice shop.\nFast and cheap", "Nice shop.\nFast and cheap"),
    ],
)
def test_introductions_and_signatures_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_a_text_cannot_bring_its_own_marks() -> None:
    assert masked("a\ue000b\ue004c") == "abc"


def test_words_that_may_be_names_are_those_with_a_capital() -> None:
    texts = ["Laura came, Al too", "the Órgano-Sur broke"]
    assert words_of(texts) == {"laura", "órgano-sur"}
    assert ordinary_words(texts) == {"came", "too", "the", "broke"}
