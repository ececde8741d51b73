"""The models that a project uses, and the checks of what they return. Called by `score`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from cxflow.connect.registry import BroughtModel
from cxflow.errors import ConfigError, FatalError, UnexpectedError
from cxflow.model.names import nearest
from cxflow.model.text_model import SENTIMENTS, SIGNALS, Scores, Texts
from cxflow.settings import Words

LONGEST_CHARACTERS = 64
"""Of a topic: longer ones are no names, but may quote the text."""

_LANGUAGE = "^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$"
_KINDS = {"number": pa.float64(), "string": pa.string(), "confidence": pa.float64()}


def chosen(words: Words, known: Mapping[str, BroughtModel]) -> list[BroughtModel]:
    """The models that `[words]` names, in the order of `SIGNALS`. Raises ConfigError for one that no plugin brings, and
    for one of another signal."""
    found = []
    for signal in SIGNALS:
        name = getattr(words, signal)
        offered = [each for each, brought in known.items() if brought.model.signal == signal]
        if name not in offered:
            raise ConfigError(
                f"words.{signal}: there is no model {name!r} of this signal{nearest(name, offered)}",
                value=name,
                fix=f"installed: {', '.join(offered)}",
            )
        found.append(known[name])
    return found


def score(brought: BroughtModel, texts: Texts) -> pa.Table:
    """A model's scores of some texts: the columns number, string and confidence, a row per text.

    Raises FatalError, which names the plugin, if the model fails or returns what it must not. No error quotes a text.
    """
    model = brought.model
    try:
        scores = model.score(texts)
    except ConfigError:
        raise
    except Exception as problem:
        # Its message, and what it was caused by, may quote a text.
        raise _fault(brought, f"failed: {UnexpectedError.of(problem).message}") from None
    if not isinstance(scores, Scores):
        raise _fault(brought, f"returned {type(scores).__name__}, not cxflow.Scores")
    table = pa.table(
        {name: _column(brought, scores, name, kind, len(texts.text)) for name, kind in _KINDS.items()}
    )
    _check_values(brought, table)
    return table


def _fault(brought: BroughtModel, what: str) -> FatalError:
    model = brought.model
    return FatalError(
        f"the model {model.name!r} of the plugin {brought.plugin!r} {what}",
        value=model.name,
        fix=f"correct the plugin, or set another model as words.{model.signal}",
    )


def _column(brought: BroughtModel, scores: Scores, name: str, kind: pa.DataType, rows: int) -> pa.Array:
    """One column of scores. What is not given is null."""
    given = getattr(scores, name)
    if given is None:
        return pa.nulls(rows, kind)
    if isinstance(given, pa.ChunkedArray):
        given = given.combine_chunks()
    if not isinstance(given, pa.Array):
        raise _fault(brought, f"returned {type(given).__name__} as {name}, not an Arrow array")
    if len(given) != rows:
        raise _fault(brought, f"returned {len(given):,} values as {name} of {rows:,} texts")
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):  # which may quote a value
        return given.cast(kind)
    raise _fault(brought, f"returned {given.type} as {name}, not {kind}")


def _check_values(brought: BroughtModel, table: pa.Table) -> None:
    number, string, confidence = table["number"], table["string"], table["confidence"]
    signal = brought.model.signal

    def refuse(where: pa.ChunkedArray, what: str) -> None:
        if count := pc.sum(where).as_py():
            raise _fault(brought, f"returned {what} for {count:,} of {len(table):,} texts")

    def outside(column: pa.ChunkedArray, lowest: float) -> pa.ChunkedArray:
        return pc.invert(pc.and_(pc.greater_equal(column, lowest), pc.less_equal(column, 1)))

    refuse(outside(confidence, 0), "a confidence outside 0…1")
    if signal == "sentiment":
        refuse(outside(number, -1), "a number outside −1…1")
        refuse(
            pc.and_(string.is_valid(), pc.invert(pc.is_in(string, value_set=pa.array(SENTIMENTS)))),
            f"another word than {', '.join(SENTIMENTS)}",
        )
        refuse(pc.xor(number.is_valid(), string.is_valid()), "a number without its word, or a word alone")
    elif signal == "language":
        refuse(pc.invert(pc.match_substring_regex(string, _LANGUAGE)), "no language of BCP 47")
    else:
        refuse(pc.greater(pc.utf8_length(string), LONGEST_CHARACTERS), "a topic of over 64 characters")
        refuse(pc.equal(pc.utf8_trim_whitespace(string), ""), "a topic without a name")
