"""The first of two safeguards of a source: a query must be one statement that only reads. Called by `connector`.

sqlglot parses the query in the dialect of its database before anything is sent. Databases have syntax that no parser
knows, so a query that does not parse is still sent if its tokens prove enough: it begins like a query, has no second
statement, closes no parenthesis that it did not open, and no keyword in it writes. The second safeguard is the
database itself, and does not rely on this one: see `database`.
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
"""Keywords that are refused in a query that does not parse."""
_EXECUTED_COMMENTS = ("/*!", "/*M!", "{#")
"""Comments to the parser that MySQL executes."""


def reading(query: str, dialect: str, *, files: bool = False) -> str:
    """Return the query without semicolons and comments after its end.

    `dialect` is SQLAlchemy's name of the database; `files` allows DuckDB's functions that read files. Raises
    ConfigError with what is not allowed if the query is not one statement that only reads.
    """
    tokens = _tokens(query, dialect)
    statement = _one_statement(tokens)
    text = query[: statement[-1].end + 1]
    if statement[0].text.upper() not in _FIRST_WORDS:
        raise _refused(f"begins with {statement[0].text[:40]!r}")
    if any(len(token.text) > token.end - token.start + 1 for token in statement):
        # The tokenizer reads all text after a command as one token, which would hide its content.
        raise _refused("holds a command")
    _stays_inside(statement)
    for name in _called(statement, query):
        if effects(dialect).reads_files(name) and not files:
            raise _refused(
                f"calls {name}(), which reads files",
                fix='list the folders whose files a connection may read: folders = ["exports"]',
            )
        if effects(dialect).forbids(name):
            raise _refused(f"calls {name}(), which does more than read the database")
    _only_reads(text, statement, dialect)
    return text


def varies(query: str, dialect: str) -> str | None:
    """The first name in a query that makes its result differ from run to run, such as `random`, if there is one."""
    bare = (token.text for token in _tokens(query, dialect) if _is_name(token))
    return next((word for word in bare if VARYING.fullmatch(word.lower())), None)


def tables(query: str, dialect: str) -> list[tuple[str | None, str]]:
    """The schema and name of each table that a query names; none of a query that does not parse."""
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse_one(query, read=_parser_dialect(dialect))
    except (sqlglot.errors.SqlglotError, RecursionError):
        return []
    own = {each.alias_or_name.lower() for each in parsed.find_all(exp.CTE)}
    named = [(table.db or None, table.name) for table in parsed.find_all(exp.Table) if table.name]
    return sorted({each for each in named if each[0] or each[1].lower() not in own}, key=str)


def _tokens(query: str, dialect: str) -> list[Token]:
    # Imported here because it takes a third of a second, and only queries need it.
    import sqlglot

    if dialect in ("mysql", "mariadb") and any(mark in query for mark in _EXECUTED_COMMENTS):
        raise _refused("holds a comment that MySQL executes")
    try:
        return sqlglot.tokenize(query, read=_parser_dialect(dialect))
    except sqlglot.errors.TokenError:
        raise _refused("has a quotation mark or a comment that is not closed") from None


def _one_statement(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens before the semicolons at the end, if any."""
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
    """Raise if parentheses do not match: the query is sent as a sub-select, which it must not close."""
    depth = 0
    for token in statement:
        if not _quoted(token):
            depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            break
    if depth:
        raise _refused("has a parenthesis without its other half")


def _called(statement: Sequence[Token], query: str) -> Iterator[str]:
    """Every name followed by a parenthesis, quoted or not."""
    for token, following in pairwise(statement):
        if following.text == "(" and not _quoted(following) and _is_name(token, quoted=True):
            if query[max(0, token.start - 2) : token.start].upper() == "U&":
                raise _refused("calls a function by a name in Unicode escapes")
            yield token.text


def _only_reads(text: str, statement: Sequence[Token], dialect: str) -> None:
    """Raise if the parsed statement (or, if it does not parse, one of its keywords) does more than read."""
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
    """What a node of a query does besides reading, or None."""
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
    """Whether a token is a string, a quoted name or a number."""
    from sqlglot import TokenType

    return token.token_type in (TokenType.IDENTIFIER, TokenType.NUMBER) or "STRING" in token.token_type.name


def _parser_dialect(dialect: str) -> str | None:
    """sqlglot's name for a SQLAlchemy dialect; None (its generic SQL) for one it does not know."""
    from sqlglot.dialects.dialect import Dialect

    name = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}.get(dialect, dialect)
    return name if name in Dialect.classes else None


def _refused(
    why: str, fix: str = "use one SELECT, WITH … SELECT, VALUES or TABLE that changes nothing"
) -> ConfigError:
    return ConfigError(f"the query {why}; a source is only read", value="query", fix=fix)
