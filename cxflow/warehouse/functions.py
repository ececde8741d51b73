"""SQL functions that each engine writes in its own way, for use in SQLAlchemy expressions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from cxflow.warehouse import engines


class utc(FunctionElement[datetime]):  # noqa: N801 - it is written like a function
    """UTC's wall clock at an instant."""

    name = "utc"
    type = sa.DateTime()
    inherit_cache = True


class sorted_array(FunctionElement[Any]):  # noqa: N801 - it is written like a function
    """The values of a group as an array, in order."""

    name = "sorted_array"
    type = sa.ARRAY(sa.Double)
    inherit_cache = True


@compiles(utc)
def _utc(element: utc, compiler: SQLCompiler, **how: Any) -> str:
    return engines.named(compiler.dialect.name).utc(compiler.process(element.clauses, **how))


@compiles(sorted_array)
def _sorted_array(element: sorted_array, compiler: SQLCompiler, **how: Any) -> str:
    return engines.named(compiler.dialect.name).sorted_array(compiler.process(element.clauses, **how))
