"""The first of two walls before a source: by its own text a query is one statement that reads. Called by `connector`.

sqlglot takes the text apart, in the dialect of the database, before anything is sent. What it cannot parse (a dialect
has more than any parser knows) may still be sent where its words alone prove enough: it begins as a query, holds no
second statement, closes no parenthesis that it did not open, and no word in it writes. The second wall is the
database's own, and does not trust this one: see `database`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cxflow.connect.sql.effects import VARYING, effects
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from sqlglot import Token, exp

_FIRST_WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "FROM", "(")
_WRITING_WORDS = re.compile(
    "INSERT|UPDATE|DELETE|MERGE|INTO|COPY|CALL|EXEC|EXECUTE|DO|SET|TRUNCATE|CREATE|ALTER|DROP|GRANT|LOCK"
    "|SHARE|ATTACH|DETACH|PRAGMA|INSTALL|LOAD|COMMIT|ROLLBACK|BEGIN"
)
"""What none of a query's bare words may be where only its words are known."""
_EXECUTED_COMMENTS = ("/*!", "/*M!", "{#")
"""What is a comment to the parser, and not to MySQL."""


def reading(query: str, dialect: str, *, files: bool = False) -> str:
    """The query, without what follows its end. `dialect` is SQLAlchemy's name; `files` lets DuckDB read files.

    Raises ConfigError that says what is not allowed, where it is not one statement that reads.
    """
    tokens = _tokens(query, dialect)
    statement = _one_statement(tokens)
    text = query[: statement[-1].end + 1]
    if statement[0].text.upper() not in _FIRST_WORDS:
        raise _refused(f"begins with {statement[0].text[:40]!r}")
    if any(len(token.text) > token.end - token.start + 1 for token in statement):
        # What follows a command is one text to the tokenizer: nothing would be seen in it.
        raise _refused("holds a command")
    _stays_inside(statement)
    for name in _called(statement, query):
        if effects(dialect).reads_files(name) and not files:
            raise _refused(
                f"calls {name}(), which reads files",
                fix='a connection may name the folders whose files are read: folders = ["exports"]',
            )
        if effects(dialect).forbids(name):
            raise _refused(f"calls {name}(), which does more than read the database")
    _only_reads(text, statement, dialect)
    return text


def varies(query: str, dialect: str) -> str | None:
    """The first word in a query by which it gives other rows each time it runs, as far as that shows."""
    bare = (token.text for token in _tokens(query, dialect) if _is_name(token))
    return next((word for word in bare if VARYING.fullmatch(word.lower())), None)


def _tokens(query: str, dialect: str) -> list[Token]:
    # Here, not above: it takes a third of a second, which streams of tables and of files need not wait for.
    import sqlglot

    if dialect in ("mysql", "mariadb") and any(mark in query for mark in _EXECUTED_COMMENTS):
        raise _refused("holds a comment that MySQL would run")
    try:
        return sqlglot.tokenize(query, read=_parser_dialect(dialect))
    except sqlglot.errors.TokenError:
        raise _refused("has a quotation mark or a comment that is not closed") from None


def _one_statement(tokens: Sequence[Token]) -> Sequence[Token]:
    """What stands before the semicolons at the end, if any."""
    end = next(
        (place for place, token in enumerate(tokens) if token.text == ";" and not _quoted(token)), None
    )
    if end is not None and any(token.text != ";" or _quoted(token) for token in tokens[end:]):
        raise _refused("holds several statements")
    statement = tokens[:end]
    if not statement:
        raise _refused("is empty")
    return statement


def _stays_inside(statement: Sequence[Token]) -> None:
    """Raises where a parenthesis closes that the query did not open: it is sent inside of one."""
    depth = 0
    for token in statement:
        if not _quoted(token):
            depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            break
    if depth:
        raise _refused("has a parenthesis without its other half")


def _called(statement: Sequence[Token], query: str) -> Iterator[str]:
    """Every name that a parenthesis follows, in quotation marks or not."""
    for token, following in pairwise(statement):
        if following.text == "(" and not _quoted(following) and _is_name(token, quoted=True):
            if query[max(0, token.start - 2) : token.start].upper() == "U&":
                raise _refused("calls a function by a name in Unicode escapes")
            yield token.text


def _only_reads(text: str, statement: Sequence[Token], dialect: str) -> None:
    """Raises where the parsed statement, or else one of its words, does more than read."""
    import sqlglot

    try:
        parsed = sqlglot.parse_one(text, read=_parser_dialect(dialect))
    except (sqlglot.errors.ParseError, RecursionError):
        for token in statement:
            if _is_name(token) and _WRITING_WORDS.fullmatch(token.text.upper()):
                raise _refused(f"holds {token.text.upper()}") from None
        return
    for node in parsed.walk():
        if found := _writes(node):
            raise _refused(f"holds {found}")
    if not isinstance(parsed, (sqlglot.exp.Query, sqlglot.exp.Values)):
        raise _refused(f"is {type(parsed).__name__.upper()}")


def _writes(node: exp.Expr) -> str | None:
    """What a node of a query does other than read."""
    from sqlglot import exp

    if isinstance(node, exp.Into):
        return "SELECT … INTO"
    if isinstance(node, exp.Lock):
        return "FOR UPDATE or FOR SHARE, which locks rows"
    if isinstance(node, exp.NextValueFor):
        return "NEXT VALUE FOR, which moves a sequence"
    others = (exp.DML, exp.DDL, exp.Command, exp.Set, exp.Pragma, exp.Attach, exp.Detach, exp.Execute)
    if isinstance(node, others):
        return type(node).__name__.upper()
    return None


def _is_name(token: Token, *, quoted: bool = False) -> bool:
    from sqlglot import TokenType

    if token.token_type == TokenType.IDENTIFIER:
        return quoted
    return not _quoted(token) and re.fullmatch(r"[^\W\d][\w$]*", token.text) is not None


def _quoted(token: Token) -> bool:
    """Whether the text of a token stands in quotation marks of some kind, or is a number."""
    from sqlglot import TokenType

    return token.token_type in (TokenType.IDENTIFIER, TokenType.NUMBER) or "STRING" in token.token_type.name


def _parser_dialect(dialect: str) -> str | None:
    """sqlglot's name of SQLAlchemy's dialect; None for its own, which is nobody's."""
    from sqlglot.dialects.dialect import Dialect

    name = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}.get(dialect, dialect)
    return name if name in Dialect.classes else None


def _refused(
    why: str, fix: str = "one SELECT, WITH … SELECT, VALUES or TABLE that changes nothing"
) -> ConfigError:
    return ConfigError(f"the query {why}; a source is only read", value="query", fix=fix)
