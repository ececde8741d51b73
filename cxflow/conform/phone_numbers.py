"""Telephone numbers in E.164, exactly as the library `phonenumbers` reads them. Called by `identifiers`.

The library takes 25 µs for a number, and reads all of a small batch. Of a larger one, SQL reads the ordinary numbers,
with the library's own metadata: digits with the usual separators, international or national, with or without a national
prefix. The library reads the rest: letters, extensions, digits other than ASCII's, unknown calling codes, national
prefixes of other countries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import duckdb
import phonenumbers
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from cxflow.duck import count, literal

_FUNCTION = "cxflow_e164"
_SEPARATORS = " ()./\u00a0-"
"""The hyphen last, as a class of characters needs it."""
_ORDINARY = rf"[{_SEPARATORS}]*\+*[{_SEPARATORS}]*(?:[0-9][{_SEPARATORS}]*){{3,}}"
"""A text in which the library sees digits, perhaps after a plus sign, and nothing else. Whether two digits are a
number depends on their separators."""
_HOPELESS = r"[\x00-\x2f\x3a-\x7f]*[0-9]?[\x00-\x2f\x3a-\x7f]*"
"""ASCII with at most one digit: never a number."""
_LONGEST_TEXT = 250
"""The library refuses longer ones."""
_HOPEFUL = f"length(raw_value) <= {_LONGEST_TEXT} AND NOT regexp_full_match(raw_value, {literal(_HOPELESS)})"
"""SQL: whether the library may find a number in a text."""
_REMEMBERED = 10_000
_FEW = 5_000
"""So many numbers take the library less time than DuckDB takes to compile the expressions of the world's numbering
plans: 0.3 s."""

_STEPS = f"""
WITH spelled AS NOT MATERIALIZED (
    SELECT *, contains(raw_value, '+') AS has_plus,
        CASE WHEN regexp_full_match(raw_value, {{ordinary}}) AND length(raw_value) <= {_LONGEST_TEXT}
            THEN translate(raw_value, {{marks}}, '') END AS digits
    FROM ({{rows}})
), dialled AS NOT MATERIALIZED (
    SELECT *, CASE WHEN has_plus THEN '' ELSE regexp_extract(digits, {{international_prefix}}) END AS dialled,
        CASE WHEN starts_with(digits, {{code}}) THEN substr(digits, length({{code}}) + 1) END AS after_code
    FROM spelled
), international AS NOT MATERIALIZED (
    SELECT *, CASE
            WHEN has_plus THEN digits
            WHEN dialled <> '' AND substr(digits, length(dialled) + 1, 1) <> '0'
                THEN substr(digits, length(dialled) + 1)
            -- Just the calling code, if digits that include it are too long or not valid for a national number.
            WHEN length(digits) > {{longest}} AND after_code IS NOT NULL THEN digits
            WHEN regexp_full_match(after_code, {{valid}}) AND NOT regexp_full_match(digits, {{valid}}) THEN digits
        END AS international
    FROM dialled
), planned AS NOT MATERIALIZED (
    SELECT *, coalesce({{is_home}}, false) AS is_home,
        CASE WHEN international IS NULL THEN digits ELSE substr(international, length(code) + 1) END AS number
    FROM international LEFT JOIN calling_code ON lead = left(international, 3)
), prefixed AS NOT MATERIALIZED (
    SELECT *, CASE WHEN is_home THEN regexp_extract(number, {{prefix}}) END AS prefix FROM planned
), stripped AS NOT MATERIALIZED (
    SELECT *, CASE WHEN prefix <> '' THEN substr(number, length(prefix) + 1) END AS stripped FROM prefixed
), significant AS NOT MATERIALIZED (
    SELECT *, CASE
            WHEN (length(stripped) IN ({{complete}}) OR length(stripped) > {{longest}})
                AND (regexp_full_match(stripped, {{valid}}) OR NOT regexp_full_match(number, {{valid}})) THEN stripped
            ELSE number
        END AS significant
    FROM stripped
)
SELECT _row, CASE
        WHEN digits IS NULL THEN
            CASE WHEN {_HOPEFUL} THEN {_FUNCTION}(raw_value) END
        WHEN (has_plus AND code IS NULL)
            OR (NOT has_plus AND regexp_extract(after_code, {{prefix}}) <> '')
            OR (is_home AND {{is_transformed}})
            OR (NOT is_home AND length(regexp_extract(international, {{foreign_prefix}})) > length(code))
            THEN {_FUNCTION}(raw_value)
        WHEN international IS NULL OR code = {{code}} THEN
            CASE WHEN {{in_use}} THEN '+' || {{code}} || significant END
        WHEN {{in_use_anywhere}} THEN '+' || code || significant
    END AS identity_value
FROM significant
"""
"""The library's steps, over all rows at once. Expressions of its metadata mean the same to DuckDB: both take the first
alternative that matches."""


def e164(number: str, country: str) -> str | None:
    """A phone number in E.164; None if it is not a valid one: of a length and a range that its country uses. National
    numbers are read as of `country`. An extension is kept (`;ext=12`, as RFC 3966 writes it): who shares a switchboard
    is not one person."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    found = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    return f"{found};ext={parsed.extension}" if parsed.extension else found


def normalised(database: duckdb.DuckDBPyConnection, country: str, rows: str) -> str:
    """SQL for `_row` of the relation `rows` and `identity_value`, which is `e164` of its `raw_value`.

    To be called once for each connection: it creates a function, and perhaps the temporary table `calling_code`."""
    database.create_function(
        _FUNCTION,
        _library(country),
        ["varchar"],
        "varchar",
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
    )
    if count(database, f"(SELECT 1 FROM ({rows}) LIMIT {_FEW})") < _FEW:
        return f"SELECT _row, CASE WHEN {_HOPEFUL} THEN {_FUNCTION}(raw_value) END AS identity_value FROM ({rows})"
    codes = ", ".join(f"('{code}')" for code in _plans())
    database.execute(
        "CREATE OR REPLACE TEMP TABLE calling_code AS SELECT lead::VARCHAR AS lead, code "
        f"FROM range(100, 1000) leads(lead) JOIN (VALUES {codes}) codes(code) ON starts_with(lead::VARCHAR, code)"
    )
    home = _plan(PhoneMetadata.metadata_for_region(country))
    main = _plans()[home.code]
    foreign = "|".join(f"{plan.code}(?:{plan.national_prefix})" for plan in _plans().values())
    # Numbers with a calling code follow the plan of its main region, even those of another region at home.
    is_home = f"international IS NULL OR code = {literal(home.code)}"
    prefix, group = literal(f"^(?:{home.national_prefix})"), home.transforming_group
    parts = {
        "ordinary": literal(_ORDINARY),
        "marks": literal(f"+{_SEPARATORS}"),
        "code": literal(home.code),
        "in_use": _in_use("significant", home.code),
        "in_use_anywhere": _in_use("code || significant"),
        "complete": ", ".join(map(str, home.complete)),
        "longest": max(home.complete),
        "valid": literal(home.number),
        "international_prefix": literal(f"^(?:{home.international_prefix})"),
        "prefix": prefix,
        "foreign_prefix": literal(f"^(?:{foreign})"),
        "is_home": is_home if home == main else "international IS NULL",
        "is_transformed": f"regexp_extract(number, {prefix}, {group}) <> ''" if group else "false",
        "rows": rows,
    }
    return _STEPS.format(**parts)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A numbering plan of the library. Its expressions are regular ones over digits."""

    code: str
    """The calling code."""
    complete: tuple[int, ...]
    """Those of numbers with their area code, ascending."""
    number: str
    """Expression of a valid national number."""
    national_prefix: str
    """Expression of what may precede it within the country; it may match nothing."""
    international_prefix: str
    """Expression of what precedes a calling code."""
    transforming_group: int
    """The group of `national_prefix` that changes the number if it matches; 0 if none does."""


def _plan(metadata: Any) -> _Plan:
    description = metadata.general_desc
    prefix = metadata.national_prefix_for_parsing or ""
    return _Plan(
        str(metadata.country_code),
        description.possible_length,
        description.national_number_pattern,
        prefix,
        metadata.international_prefix or "none",
        re.compile(prefix).groups if metadata.national_prefix_transform_rule else 0,
    )


@cache
def _plans() -> dict[str, _Plan]:
    """Calling code to the plan of its main region, by which the library judges all its numbers."""
    return {
        str(code): _plan(PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0]))
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
    }


_KINDS = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip


def _in_use(number: str, code: str | None = None) -> str:
    """SQL: whether a national number is one of its calling code's, and of a kind that is in use there. Without a code,
    `number` begins with its own."""
    whens = ""
    for length, plans in _by_length(code).items():
        general, kinds = (_pattern({code: plan[i] for code, plan in plans.items()}) for i in (0, 1))
        fits = f"regexp_full_match({number}, {literal(general)}) AND regexp_full_match({number}, {literal(kinds)})"
        whens += f" WHEN {length} THEN {fits}"
    return f"CASE length(significant){whens} ELSE false END"


def _pattern(plans: Mapping[str, Iterable[str]]) -> str:
    return "|".join(f"{code}(?:{'|'.join(f'(?:{part})' for part in parts)})" for code, parts in plans.items())


_Expressions = tuple[dict[str, None], dict[str, None]]
"""Expressions of national numbers in general, and of the kinds of them that are in use."""


@cache
def _by_length(only: str | None) -> dict[int, dict[str, _Expressions]]:
    """Length of a national number to the calling codes that have such numbers. Of `only` one code, which is then empty.
    A code may be that of several regions."""
    found: dict[int, dict[str, _Expressions]] = {}
    for code in [int(only)] if only else COUNTRY_CODE_TO_REGION_CODE:
        for region in COUNTRY_CODE_TO_REGION_CODE[code]:
            metadata: Any = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            general = metadata.general_desc
            for kind in filter(None, (getattr(metadata, kind) for kind in _KINDS)):
                for length in kind.possible_length or general.possible_length:
                    at_length = found.setdefault(length, {})
                    numbers, kinds = at_length.setdefault("" if only else str(code), ({}, {}))
                    numbers[general.national_number_pattern] = None
                    kinds[kind.national_number_pattern] = None
    return found


def _library(country: str) -> Callable[[Any], Any]:
    """`e164` over Arrow arrays of text, for DuckDB."""
    remembered = lru_cache(_REMEMBERED)(lambda number: e164(number, country))
    return lambda numbers: pa.array(
        [None if number is None else remembered(number) for number in numbers.to_pylist()], pa.string()
    )
