"""Reads the marts: their queries, and what each column means. Called by `views`.

A mart is one `.sql` file of `warehouse/marts`. Its first line, a comment, says what it shows. Its columns have a line
each: `alias.column` is described as in the data dictionary, `timezone({zone}, alias.column)` as that in local time, and
anything else by a comment at the end of its line. `alias.*` stands for all columns of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

from cxflow.duck import literal
from cxflow.model.activities import SUPPORT_ACTIVITIES
from cxflow.warehouse import revisions
from cxflow.warehouse.tables import metadata

LOCAL = "local time"
"""What is added to the description of an instant that is shown in the reporting time zone."""
_COLUMN_INDENT = re.compile(r"    \S")
_REMARK = re.compile(r"\s+-- (?P<text>.*)$")
_NAMED = re.compile(r"(?:.*\sAS\s+|(?:\w+\.)?)(?P<name>\w+)", re.DOTALL)
_PLAIN = re.compile(r"(?P<alias>\w+)\.(?P<column>\w+)(?:\s+AS\s+\w+)?")
_LOCAL = re.compile(r"timezone\(\{zone\}, (?P<alias>\w+)\.(?P<column>\w+)\)\s+AS\s+\w+")
_STAR = re.compile(r"^    (?P<alias>\w+)\.\*", re.MULTILINE)
_FROM = re.compile(r"^(?:FROM|(?:LEFT|INNER) JOIN) (?P<table>\w+) AS (?P<alias>\w+)", re.MULTILINE)


class UndescribedError(Exception):
    """A mart, or a column of one, has no description: a fault of its file, which a test finds."""


@dataclass(frozen=True)
class Mart:
    """One mart as its file has it."""

    name: str
    text: str

    @classmethod
    def read(cls, path: Path) -> Mart:
        """The mart of a file."""
        return cls(path.stem, path.read_text(encoding="utf-8"))

    @cached_property
    def description(self) -> str:
        """What it shows. Raises UndescribedError."""
        first = self.text.partition("\n")[0]
        if not first.startswith("-- "):
            raise UndescribedError(f"{self.name} does not begin with a comment that says what it shows")
        return first.removeprefix("-- ")

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Column to its description, in order. Raises UndescribedError."""
        return dict(self._described(each) for each in self._items())

    def query(self, timezone: str) -> str:
        """Its SQL, with local times in the zone."""
        activities = ", ".join(map(literal, SUPPORT_ACTIVITIES))
        return self._expanded.replace("{zone}", literal(timezone)).replace(
            "{support_activities}", f"({activities})"
        )

    @cached_property
    def _tables(self) -> Mapping[str, str]:
        """Alias to table, of the outermost query."""
        return {found["alias"]: found["table"] for found in _FROM.finditer(self.text)}

    @cached_property
    def _expanded(self) -> str:
        """The text with all columns named: a view over `*` breaks when its table gets a column."""

        def columns(star: re.Match[str]) -> str:
            alias = star["alias"]
            names = (column.name for column in metadata.tables[self._tables[alias]].columns)
            return ",\n".join(f"    {alias}.{name}" for name in names)

        return _STAR.sub(columns, self.text)

    def _items(self) -> Iterator[tuple[str, str | None]]:
        """The columns of the outermost query: SQL and remark."""
        lines = [*self._expanded.splitlines(), ""]
        item: list[str] = []
        for line, following in pairwise(lines[lines.index("SELECT") + 1 :]):
            if line.startswith("FROM "):
                return
            remark = _REMARK.search(line)
            sql = _REMARK.sub("", line)
            item.append(sql.strip())
            if _COLUMN_INDENT.match(line) and (sql.endswith(",") or following.startswith("FROM ")):
                yield " ".join(item).removesuffix(","), remark["text"] if remark else None
                item = []

    def _described(self, item: tuple[str, str | None]) -> tuple[str, str]:
        sql, remark = item
        named = _NAMED.fullmatch(sql)
        if named is None:
            raise UndescribedError(f"{self.name}: a column has no name: {sql}")
        name = named["name"]
        if remark is not None:
            return name, remark
        for pattern, form in ((_PLAIN, "{}"), (_LOCAL, f"{{}}, {LOCAL}")):
            if (found := pattern.fullmatch(sql)) and found["alias"] in self._tables:
                table = metadata.tables[self._tables[found["alias"]]]
                if found["column"] in table.columns:
                    return name, form.format(table.columns[found["column"]].comment)
        raise UndescribedError(f"{self.name}.{name} has no description: add a comment at the end of its line")


@cache
def read_all() -> Mapping[str, Mart]:
    """The marts by name."""
    paths = sorted((revisions.resources() / "marts").glob("*.sql"))
    return {path.stem: Mart.read(path) for path in paths}
