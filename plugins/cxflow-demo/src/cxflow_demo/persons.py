"""Groups identifiers into persons: connected components over the good records. Called by ``truth``."""

from collections.abc import Iterable

from cxflow_demo.record import Identifier, Record


class Persons:
    """A union-find forest over identifiers: all identifiers in one record belong to one person."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._parent: dict[Identifier, Identifier] = {}
        for record in records:
            names = list(record.identifiers())
            for name in names:
                self._parent.setdefault(name, name)
                self._parent[self._root(name)] = self._root(names[0])

    def __len__(self) -> int:
        return sum(self._root(name) == name for name in list(self._parent))

    def of(self, record: Record) -> Identifier | None:
        """The identifier that represents the record's person; None for a record without identifiers."""
        name = next(record.identifiers(), None)
        return self._root(name) if name else None

    def _root(self, name: Identifier) -> Identifier:
        while (parent := self._parent[name]) != name:
            self._parent[name] = self._parent[parent]
            name = parent
        return name
