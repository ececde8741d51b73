"""Decides what the SQL of a mapping or an expectation may say: it sees its own record, and nothing else.

A batch conformed twice must give the same rows, on any machine. So an expression contains no query, and calls no
function whose value depends on the clock, on chance, on a setting, a file or the environment. DuckDB's own catalogue
tells which functions do. Called by `conform` and `validate` before anything is read; while a batch is conformed,
`duck.sealed` keeps DuckDB itself from reaching anything else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

import duckdb

from cxflow.duck import blank, identifier, literal
from cxflow.errors import ConfigError
from cxflow.model.sql_place import named, shown

_HEAD, _TAIL = "SELECT (", "\n) FROM raw"
"""Around an expression to parse it. The line break ends a comment, which would otherwise hide what follows it."""

_OUTSIDE = frozenset(
    {
        "current_localtime",
        "current_localtimestamp",
        "current_setting",
        "getenv",
        "getvariable",
        "json_serialize_plan",
        "parse_duckdb_log_message",
        "query",
        "query_table",
        "vector_type",
        "version",
    }
)
"""Functions that the catalogue calls consistent (or does not list in every build), and that depend on more than their
arguments."""
_WHOLE_RECORD = "raw"
"""DuckDB's name of the relation, which as a column is the record with all its columns."""
_LEFT_TO_THE_BINDER = frozenset({"unnest"})
"""Table functions that are no data source: DuckDB's own message about them is better."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an expression names."""

    path: tuple[str, ...]
    """Its name; of a nested one, each part."""
    inside: tuple[str, ...]
    """The functions that it is an argument of, the outermost first; `is null` stands for the test."""
    is_quoted: bool = False
    at: int | None = None
    """Its place in the expression, in characters."""

    @property
    def dotted(self) -> str:
        """Its name in lower case, without the relation's before it: `raw.Mail` is `mail`; `*` for all columns."""
        name = ".".join(self.path).lower()
        if name == _WHOLE_RECORD and not self.is_quoted:
            return "*"
        return name.removeprefix(f"{_WHOLE_RECORD}.")

    def touches(self, tagged: Set[str]) -> bool:
        """Whether its value may hold one of the raw columns `tagged`, in lower case: it is one, around one or in one,
        or it is the whole record. A nested column of a column `raw` counts with or without that name."""
        names = {self.dotted, ".".join(self.path).lower()}
        return "*" in names or any(
            name == tag or name.startswith(f"{tag}.") or tag.startswith(f"{name}.")
            for name in names
            for tag in tagged
        )


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    tree: Any
    """DuckDB's serialised form."""

    def columns(self) -> Iterator[Column]:
        """The columns it names, without the parameters of its lambdas; `("*",)` for all columns at once."""
        yield from self._columns(self.tree, (), frozenset())

    def _columns(self, node: Any, inside: tuple[str, ...], bound: frozenset[str]) -> Iterator[Column]:
        if isinstance(node, list):
            for each in node:
                yield from self._columns(each, inside, bound)
            return
        if not isinstance(node, dict):
            return
        kind = node.get("class")
        if kind == "LAMBDA":
            names = {part for each in _nodes(node["lhs"]) for part in each.get("column_names", ())}
            yield from self._columns(node["expr"], inside, bound | {name.lower() for name in names})
            return
        if kind in ("STAR", "POSITIONAL_REFERENCE"):
            yield Column(("*",), inside, at=self.place(node))
        if kind == "COLUMN_REF" and node["column_names"][0].lower() not in bound:
            at = self.place(node)
            is_quoted = at is not None and self.text[at : at + 1] == '"'
            yield Column(tuple(node["column_names"]), inside, is_quoted, at)
        if name := node.get("function_name"):
            inside = (*inside, str(name).lower())
        elif node.get("type") in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            inside = (*inside, "is null")
        for each in node.values():
            yield from self._columns(each, inside, bound)

    def place(self, node: dict[str, Any]) -> int | None:
        """A node's place in the expression, in characters; None if DuckDB does not tell it."""
        start = int(node.get("query_location", 0)) - len(_HEAD)  # in bytes
        encoded = self.text.encode()
        return len(encoded[:start].decode(errors="ignore")) if 0 <= start < len(encoded) else None


def parse(place: str, text: str) -> Expression:
    """Parse an expression; `place` names it in errors. Raises ConfigError if it is not exactly one."""
    try:
        found = _parsed(text)
    except _SyntaxError as problem:
        at = None if problem.position is None else problem.position - len(_HEAD)
        # DuckDB also sees what stands after the expression, and would quote that.
        what = "it ends too early" if at is not None and at >= len(text) else problem
        raise ConfigError(
            f"{place}: {named(text)} does not parse: {what}{shown(text, at)}", value=place
        ) from None
    if found is None:
        raise ConfigError(f"{place}: {named(text)} is not one expression", value=place)
    return found


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Expression | None:
    """One expression; None for several, or for more than expressions. Raises _SyntaxError."""
    for tail in (_TAIL.lstrip(), _TAIL):  # it stands on one line with SQL after it, too
        tree = _serialised(f"{_HEAD}{text}{tail}")
    expressions = tree.pop("select_list")
    return Expression(text, expressions[0]) if len(expressions) == 1 and _shape(tree) == _frame() else None


def check(place: str, text: str) -> Expression:
    """Parse an expression and check that it sees only its own record. Raises ConfigError."""
    expression = parse(place, text)
    for node in _nodes(expression.tree):
        if node.get("class") == "WINDOW":
            raise _refused(place, expression, node, "uses a window function")
        if node.get("class") == "SUBQUERY" or "from_table" in node:
            raise _refused(
                place,
                expression,
                node,
                "contains a query",
                "use list functions (list_filter, list_sum, …) on the record's own lists; "
                "make other data a stream of its own",
            )
        name = str(node.get("function_name") or "")
        if name and _reaches_out(name.lower(), len(node.get("children") or ())):
            raise _refused(
                place,
                expression,
                node,
                f"calls {name}(), whose value depends on more than the record (a clock, chance, a file, a setting)",
                "use a raw column or a constant instead",
            )
    for column in value_functions(expression):
        if not column.is_quoted and _reaches_out(column.path[0].lower(), 0):
            raise _refused(
                place,
                expression,
                column.at,
                f"uses {column.path[0]}, whose value depends on more than the record",
                f"use a raw column or a constant instead; quote a raw column of that name: '\"{column.path[0]}\"'",
            )
    return expression


_SORTS = frozenset({"list_sort", "array_sort", "list_reverse_sort", "array_reverse_sort"})


@dataclass(frozen=True, slots=True)
class Call:
    """A function that an expression calls."""

    name: str
    """In lower case."""
    is_ordered: bool
    """Whether the call says in which order its values are taken (ORDER BY), or its list is sorted."""


def calls(expression: Expression) -> Iterator[Call]:
    """The functions that an expression calls."""
    functions = [node for node in _nodes(expression.tree) if node.get("class") == "FUNCTION"]
    # DuckDB writes list(x ORDER BY x) as list_sort(list(x)).
    lists = [node["children"][0] for node in functions if node["function_name"].lower() in _SORTS]
    for node in functions:
        orders = (node.get("order_bys") or {}).get("orders") or ()
        is_sorted = any(node is each for each in lists)
        yield Call(str(node["function_name"]).lower(), is_sorted or bool(orders))


def require_known(place: str, expression: Expression, macros: Collection[str] = ()) -> None:
    """Raise ConfigError, with the nearest name, if an expression names a function or type that neither DuckDB nor
    `macros`, in lower case, know."""
    for node in _nodes(expression.tree):
        name = str(node.get("function_name") or "").lower()
        if name and not any(name in known for known in (_catalogue(), macros, _LEFT_TO_THE_BINDER)):
            raise _not_there(place, expression, node, f"the function {name}()", name, _catalogue())
        for each in _nodes(node["cast_type"]) if node.get("class") == "CAST" else ():
            if each.get("type") == "UNBOUND_TYPE_INFO" and each["name"].lower() not in _types():
                raise _not_there(place, expression, node, f"the type {each['name']}", each["name"], _types())


def _not_there(
    place: str, expression: Expression, node: dict[str, Any], what: str, name: str, known: Iterable[str]
) -> ConfigError:
    near = get_close_matches(name.lower(), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    text = expression.text
    return ConfigError(
        f"{place}: {named(text)} names {what}, which does not exist{hint}{shown(text, expression.place(node))}",
        value=place,
    )


@cache
def _types() -> frozenset[str]:
    with blank() as database:
        rows = database.execute("SELECT lower(type_name) FROM duckdb_types()").fetchall()
    return frozenset(row[0] for row in rows)


def value_functions(expression: Expression) -> Iterator[Column]:
    """The names in an expression that DuckDB takes for a function unless there is such a column: `current_date`."""
    for column in expression.columns():
        if len(column.path) == 1 and _is_value_function(column.path[0].lower()):
            yield column


@cache
def _is_value_function(name: str) -> bool:
    if name == "*":
        return False
    try:
        with blank() as database:
            database.execute(f"SELECT {identifier(name)}")
    except duckdb.Error:
        return False
    return True


def _refused(
    place: str, expression: Expression, at: dict[str, Any] | int | None, why: str, fix: str | None = None
) -> ConfigError:
    """The error for a part of an expression: a node, or its place."""
    text = expression.text
    mark = shown(text, expression.place(at) if isinstance(at, dict) else at)
    return ConfigError(
        f"{place}: {named(text)} {why}; an expression sees only its own record{mark}", value=place, fix=fix
    )


class _SyntaxError(Exception):
    """What DuckDB's parser says, and where in the statement, in characters, if it says that."""

    def __init__(self, message: str, position: int | None) -> None:
        super().__init__(message)
        self.position = position


def _serialised(sql: str) -> dict[str, Any]:
    """The tree of a statement. Raises _SyntaxError."""
    with blank() as database:
        # A parameter would import Arrow.
        row = database.execute(f"SELECT json_serialize_sql({literal(sql)})").fetchone()
    outcome: dict[str, Any] = json.loads(row[0]) if row else {}
    if outcome.get("error"):
        position = outcome.get("position")
        raise _SyntaxError(outcome["error_message"], None if position is None else int(position))
    (statement,) = outcome["statements"]
    node: dict[str, Any] = statement["node"]
    return node


@cache
def _frame() -> str:
    """What surrounds a lone expression: nothing but `raw` is read, and nothing is filtered or sorted."""
    tree = _serialised(f"{_HEAD}1{_TAIL}")
    tree.pop("select_list")
    return _shape(tree)


def _shape(tree: Any) -> str:
    """A tree as text, without the places in the statement."""
    if isinstance(tree, dict):
        return str(
            {key: _shape(each) for key, each in sorted(tree.items()) if not key.startswith("query_location")}
        )
    return str([_shape(each) for each in tree]) if isinstance(tree, list) else repr(tree)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All nodes of a tree."""
    if isinstance(tree, dict):
        yield tree
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(each)


@dataclass(frozen=True, slots=True)
class _Function:
    """A function as the catalogue lists it."""

    kind: str
    stability: str | None
    definition: str | None
    """The body of a macro."""


@cache
def _catalogue() -> dict[str, list[_Function]]:
    found: dict[str, list[_Function]] = {}
    with blank() as database:
        for name, *rest in database.execute(
            "SELECT DISTINCT lower(function_name), function_type, stability, macro_definition "
            "FROM duckdb_functions()"
        ).fetchall():
            found.setdefault(name, []).append(_Function(*rest))
    return found


@cache
def _reaches_out(name: str, arguments: int) -> bool:
    """Whether a function's value depends on more than its arguments. False for an unknown one, which cannot run."""
    if name in _OUTSIDE or (name == "age" and arguments == 1):  # the time up to now
        return True
    if name in _LEFT_TO_THE_BINDER:
        return False
    listed = _catalogue().get(name, [])
    if not listed:
        # The catalogue lists `current_timestamp` under another name.
        return arguments == 0 and _is_value_function(name)
    if any(each.stability not in (None, "CONSISTENT") for each in listed):
        return True
    scalar = [each for each in listed if each.kind in ("scalar", "aggregate", "macro")]
    return not scalar or any(_macro_reaches_out(each.definition) for each in scalar if each.definition)


@cache
def _macro_reaches_out(definition: str) -> bool:
    try:
        check("", definition)
    except ConfigError:
        return True
    return False
