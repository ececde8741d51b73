"""As much of GraphQL as the imitation needs: parses a document, and applies its selection to records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\.\.\.|[A-Za-z_]\w*|\$\w+|-?\d+|\"[^\"]*\"|[{}()\[\]:!=@|]")


class GraphQLError(Exception):
    """A document that the schema refuses."""


@dataclass
class Field:
    """A selected field, or a fragment (`name` is empty, `kind` the type that it is on)."""

    name: str
    alias: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    kind: str = ""


def parse(document: str, variables: dict[str, Any]) -> list[Field]:
    """The selected fields of a document's query, arguments and fragments filled in."""
    head, _, _ = document.partition("{")
    declared = set(re.findall(r"\$(\w+)\s*:", head))
    needed = set(re.findall(r"\$(\w+)\s*:[^,)]*!", head))
    if missing := needed - {name for name, value in variables.items() if value is not None}:
        raise GraphQLError(f"Variable ${min(missing)} of a required type was not provided")
    if unknown := set(re.findall(r"\$(\w+)", document[len(head) :])) - declared:
        raise GraphQLError(f"Variable ${min(unknown)} is used but not declared")
    fragments: dict[str, Field] = {}
    for name, kind, body in re.findall(
        r"fragment (\w+) on (\w+) (\{.*?\n?\})(?=\s*(?:fragment|$))", document, re.S
    ):
        fragments[name] = Field("", kind=kind, fields=_block(iter(_TOKEN.findall(body)[1:]), variables))
    main = re.split(r"\sfragment ", document)[0][len(head) :]
    return _spread(_block(iter(_TOKEN.findall(main)[1:]), variables), fragments)


def _block(tokens: Iterator[str], variables: dict[str, Any]) -> list[Field]:
    """The fields up to the closing brace."""
    found: list[Field] = []
    named = False
    for token in tokens:
        if token == "}":
            return found
        if token == "...":
            name = next(tokens)
            found.append(Field("", kind=next(tokens)) if name == "on" else Field("", alias=name))
        elif token == "{":
            found[-1].fields = _block(tokens, variables)
        elif token == "(":
            found[-1].arguments = dict(_arguments(tokens, variables))
        elif token == ":":
            found[-1].alias, named = found[-1].name, True
        elif named:
            found[-1].name, named = token, False
        else:
            found.append(Field(token))
    raise GraphQLError("syntax error, unexpected end of file")


def _arguments(tokens: Iterator[str], variables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in tokens:
        if name == ")":
            return
        next(tokens)
        value = next(tokens)
        if value.startswith("$"):
            yield name, variables.get(value[1:])
        else:
            yield name, int(value) if value.lstrip("-").isdigit() else value.strip('"')


def _spread(fields: list[Field], fragments: dict[str, Field]) -> list[Field]:
    """The same fields, named fragments replaced by what they are."""
    for each in fields:
        if not each.name and each.alias:
            if each.alias not in fragments:
                raise GraphQLError(f"Fragment {each.alias} was used, but not defined")
            each.fields, each.kind = fragments[each.alias].fields, fragments[each.alias].kind
        each.fields = _spread(list(each.fields), fragments)
    return fields


Connect = Callable[[list[Any], Field], dict[str, Any]]
"""Makes a connection of a nested list, with its `nodes` and `edges` unselected."""
_OF_CONNECTIONS = {"nodes", "edges", "pageInfo"}


def applied(fields: list[Field], value: Any, connect: Connect) -> Any:
    """What a selection shows of a value. Raises GraphQLError for a field that there is not."""
    if value is None or not fields:
        return value
    if isinstance(value, list):
        return [applied(fields, item, connect) for item in value]
    found: dict[str, Any] = {}
    for each in fields:
        if not each.name:
            kind = value["id"].split("/")[3] if "id" in value else each.kind
            if kind == each.kind:
                found |= applied(each.fields, value, connect)
            continue
        if each.name not in value:
            raise GraphQLError(f"Field '{each.name}' doesn't exist")
        inner = value[each.name]
        if isinstance(inner, list) and any(one.name in _OF_CONNECTIONS for one in each.fields):
            inner = connect(inner, each)
        found[each.alias or each.name] = applied(each.fields, inner, connect)
    return found


def cost(fields: list[Field], times: int = 1) -> int:
    """The points of a selection: one for each object, as many times as its connection is asked for."""
    total = 0
    for each in fields:
        if not each.fields:
            continue
        many = times * int(each.arguments.get("first") or 1)
        is_free = (
            not each.name or each.name in _OF_CONNECTIONS or (each.name == "node" and not each.arguments)
        )
        total += (0 if is_free else many) + cost(each.fields, many)
    return total
