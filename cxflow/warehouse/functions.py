"""SQL functions for SQLAlchemy expressions that differ by engine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from cxflow.warehouse import engines


class utc(FunctionElement[datetime]):  # noqa: N801 - used like a function
    """An instant as a timestamp without time zone, in UTC."""

    name = "utc"
    type = sa.DateTime()
    inherit_cache = True


class hashed(FunctionElement[int]):  # noqa: N801 - used like a function
    """A text's hash, a 64-bit integer from 32 on. It differs by engine, and may by an engine's version."""

    name = "hashed"
    type = sa.BigInteger()
    inherit_cache = True


class sorted_array(FunctionElement[Any]):  # noqa: N801 - used like a function
    """The values of a group as a sorted array."""

    name = "sorted_array"
    type = sa.ARRAY(sa.Double)
    inherit_cache = True


@compiles(utc)
def _utc(element: utc, compiler: SQLCompiler, **how: Any) -> str:
    return engines.named(compiler.dialect.name).utc(compiler.process(element.clauses, **how))


@compiles(hashed)
def _hashed(element: hashed, compiler: SQLCompiler, **how: Any) -> str:
    return engines.named(compiler.dialect.name).hashed(compiler.process(element.clauses, **how))


@compiles(sorted_array)
def _sorted_array(element: sorted_array, compiler: SQLCompiler, **how: Any) -> str:
    return engines.named(compiler.dialect.name).sorted_array(compiler.process(element.clauses, **how))
