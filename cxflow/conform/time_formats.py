"""Checks the time formats of a stream before anything is read. Called by `projection`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations

import duckdb

from cxflow.conform.expressions import is_named
from cxflow.duck import blank, literal
from cxflow.errors import ConfigError

_PROBE = "TIMESTAMP '2026-02-03 04:05:06'"
"""A time whose day, month and year can be taken for each other."""


def check(forms: Sequence[str]) -> None:
    """Check that each format is one, that it tells morning from afternoon, and that no two read a text as different
    times. Raises ConfigError.
    """
    for form in forms:
        if not is_named(form):
            _check(form)
    for one, other in permutations(forms, 2):
        if one != other and (example := _contradiction(one, other)):
            raise ConfigError(
                f"time_formats: {one!r} and {other!r} read {example!r} as different times",
                value=other,
                fix="keep the one that the source writes; a source that writes both cannot be read rightly",
            )


def _check(form: str) -> None:
    try:
        with blank() as database:
            database.execute(f"SELECT try_strptime('', {literal(form)})")
    except duckdb.Error as problem:
        text = str(problem).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise ConfigError(f"time_formats: {form!r} is not a strptime format: {text}", value=form) from problem
    directives = re.findall(r"%-?([A-Za-z%])", form)
    if "I" in directives and "p" not in directives:
        raise ConfigError(
            f"time_formats: {form!r} has hours of a half day (%I), and does not say of which half",
            value=form,
            fix="add %p where the source writes AM or PM; or use %H, if its hours go from 0 to 23",
        )


def _contradiction(one: str, other: str) -> str:
    """A text that both formats can read, but not as the same time; empty if there is none."""
    if is_named(one):
        return ""
    text = f"strftime({_PROBE}, {literal(one)})"
    if not is_named(other):
        reading = f"try_strptime({text}, {literal(other)})"
    elif other == "iso":
        reading = f"TRY_CAST({text} AS TIMESTAMP)"
    else:
        return ""
    with blank() as database:
        row = database.execute(
            f"SELECT {text} WHERE {reading} <> try_strptime({text}, {literal(one)})"
        ).fetchone()
    return str(row[0]) if row else ""
