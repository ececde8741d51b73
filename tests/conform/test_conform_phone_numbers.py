"""Telephone numbers: SQL reads them exactly as the library `phonenumbers` does, and seldom needs it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import duckdb
import phonenumbers
import pyarrow as pa
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from cxflow.conform import phone_numbers

COUNTRIES = [
    *("ES", "DE", "IT", "GB", "US", "FR", "BR", "MX", "AR", "IN", "CN", "JP"),
    *("AU", "RU", "HU", "AT", "HK", "CO", "KR", "SM", "MG", "LT", "BY", "WS"),
]
SHARED = ["CA", "KZ", "GG"]
"""Countries whose calling code is another one's, with plans of their own."""
CODES = sorted(COUNTRY_CODE_TO_REGION_CODE)
OPENINGS = [
    *("", "+", "++", "(+", "+ ", "+ (", "\uff0b", "00", "000", "+00", "011", "+011"),
    *("0", "(0)", "8", "810", "06", "1", "tel:+", "call +", "*"),
]
ENDINGS = [
    " ext 12",
    "x12",
    " ext. 345",
    "#12",
    ";ext=3",
    ", 123",
    " int 22",
    "/x5",
    ";phone-context=+34",
    ".",
]
ODD = "0123456789+-()./ xX#;,~*=abcABCé_\t\n\x00\u00a0\u2010\uff0b\uff11\u0661"


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is one that SQL reads."""
    monkeypatch.setattr(phone_numbers, "_FEW", 0)


def read(country: str, texts: Sequence[str]) -> list[str | None]:
    """What SQL makes of each text."""
    with duckdb.connect() as database:
        database.register(
            "texts", pa.table({"_row": range(len(texts)), "raw_value": pa.array(texts, pa.string())})
        )
        sql = phone_numbers.normalised(database, country, "SELECT _row, raw_value FROM texts")
        by_row = dict(database.execute(sql).fetchall())
    return [by_row[row] for row in range(len(texts))]


def differences(country: str, texts: Sequence[str]) -> list[tuple[str, str | None, str | None]]:
    """Each text that SQL reads differently, what it makes of it, and what the library makes of it."""
    found = zip(texts, read(country, texts), strict=True)
    return [
        (text, value, right) for text, value in found if value != (right := phone_numbers.e164(text, country))
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the library had to read."""
    texts: list[str] = []
    library = phone_numbers.e164

    def e164(number: str, country: str) -> str | None:
        texts.append(number)
        return library(number, country)

    monkeypatch.setattr(phone_numbers, "e164", e164)
    return texts


def spaced(chance: random.Random, digits: str) -> str:
    """Digits with separators among them, or none."""
    if chance.random() < 0.3:
        return digits
    return "".join(digit + (chance.choice(" -./()") if chance.random() < 0.3 else "") for digit in digits)


def texts(chance: random.Random, country: str, count: int) -> Iterator[str]:
    """Spellings of numbers of the country and of others, too short and too long ones, and garbage."""
    metadata = PhoneMetadata.metadata_for_region(country)
    code, prefix = str(metadata.country_code), metadata.national_prefix or "0"
    example = str(phonenumbers.example_number(country).national_number)
    for _ in range(count):
        digits = "".join(chance.choices("0123456789", k=chance.randint(1, 20)))
        at_home = example[: chance.randint(0, 7)] + digits[: chance.randint(1, 12)]
        opening = chance.choice(OPENINGS)
        yield opening + spaced(chance, str(chance.choice(CODES)) + digits)
        yield opening + spaced(chance, code + chance.choice(["", prefix, "0", f" ({prefix})"]) + at_home)
        yield chance.choice(["", "", prefix, "0", f"({prefix})", prefix * 2]) + spaced(chance, at_home)
        yield opening + spaced(chance, digits) + chance.choice(ENDINGS)
        yield chance.choice(["1-800-", "0800 ", f"+{code} 800 "]) + "".join(
            chance.choices("ABCDExX12", k=chance.randint(1, 9))
        )
        zero = chance.choice(["\uff10", "\u0660", "\u0966"])  # full width, Arabic, Devanagari
        yield opening + at_home.translate({ord("0") + digit: ord(zero) + digit for digit in range(10)})
        yield "".join(chance.choices(ODD, k=chance.randint(0, 24)))


@pytest.mark.parametrize("country", [*COUNTRIES, *SHARED])
def test_numbers_are_read_as_the_library_reads_them(country: str) -> None:
    assert differences(country, list(texts(random.Random(country), country, 500))) == []


@pytest.mark.parametrize("few", [499, 500, 501])
def test_the_library_itself_reads_a_few_numbers(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(phone_numbers, "_FEW", few)
    numbers = [f"+34 60000 {number:04}" for number in range(500)]
    assert read("ES", numbers) == [number.replace(" ", "") for number in numbers]
    assert len(asked) == (500 if few > 500 else 0)


@pytest.mark.parametrize("country", ["ES", "US"])
def test_a_few_texts_are_read_as_the_library_reads_them(
    monkeypatch: pytest.MonkeyPatch, country: str
) -> None:
    monkeypatch.setattr(phone_numbers, "_FEW", 100_000)
    odd = ["", "7", "x" * 251, "+34600123456" + " " * 240, "\x00", "+34 600 12 34 56 ext 9"]
    assert differences(country, [*odd, *texts(random.Random(country), country, 200)]) == []


@pytest.mark.parametrize("opening", ["+", "00", "+0", "(+", ""])
def test_every_calling_code_and_every_length_is_judged_as_the_library_judges_it(opening: str) -> None:
    chance = random.Random(opening)
    numbers = [
        f"{opening}{code}{first}{''.join(chance.choices('0123456789', k=length - 1))}"
        for code in CODES
        for length in range(1, 21)
        for first in (0, chance.randint(1, 9))
    ]
    assert differences("ES", numbers) == []


OTHERS = sorted(phonenumbers.SUPPORTED_REGIONS - {*COUNTRIES, *SHARED})


@pytest.mark.parametrize(
    "countries", [OTHERS[::8], pytest.param(OTHERS, marks=pytest.mark.long)], ids=["some", "all"]
)
def test_the_numbers_of_other_countries_are_read_as_the_library_reads_them(countries: list[str]) -> None:
    for country in countries:
        assert differences(country, list(texts(random.Random(country), country, 20))) == [], country


@pytest.mark.parametrize(
    ("country", "text", "number"),
    [
        ("ES", "+34 600 123 456", "+34600123456"),
        ("ES", "(0034) 600-123-456", "+34600123456"),
        ("ES", "600123456", "+34600123456"),
        ("ES", "34600123456", "+34600123456"),
        ("ES", "+34\u00a0600\u00a0123\u00a0456", "+34600123456"),
        ("ES", "+1 (415) 555-2671", "+14155552671"),
        ("ES", "+351 912 345 678", "+351912345678"),
        ("DE", "0171 2345678", "+491712345678"),
        ("DE", "+49 (0)171/2345678", "+491712345678"),
        ("GB", "020 8234 5678", "+442082345678"),
        ("GB", "(020) 7946 0958", "+442079460958"),
        ("FR", "06.12.34.56.78", "+33612345678"),
        ("IT", "06 6982 1234", "+390669821234"),
        ("US", "1-415-555-2671", "+14155552671"),
        ("US", "011 34 600 123 456", "+34600123456"),
        ("JP", "03-1234-5678", "+81312345678"),
        ("BR", "(11) 91234-5678", "+5511912345678"),
        ("AR", "011 4321-1234", "+541143211234"),
        ("ES", "600111222600111222600", None),
        ("ES", "+34 600 123", None),
        ("ES", "112", None),
        ("ES", "anonymous", None),
        ("ES", "n/a", None),
        ("ES", "-", None),
        ("ES", "7" * 251, None),
    ],
)
def test_ordinary_spellings_need_no_library(
    asked: list[str], country: str, text: str, number: str | None
) -> None:
    assert read(country, [text]) == [number]
    assert asked == []


def test_odd_spellings_are_left_to_the_library(asked: list[str]) -> None:
    odd = [
        "+34 600 123 456 ext. 7",
        "1-800-FLOWERS",
        "\uff0b34600123456",
        "+44 (0)20 7946 0958",
        "+990 600 123 456",
    ]
    assert (
        read("US", odd * 2)
        == [
            "+34600123456;ext=7",
            "+18003569377",
            "+34600123456",
            "+442079460958",
            phone_numbers.e164("+990 600 123 456", "US"),
        ]
        * 2
    )
    assert sorted(asked[:-1]) == sorted(odd), "each once"
