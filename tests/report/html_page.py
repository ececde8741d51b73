"""Reads a page as a strict parser does: every element closed where it must be, and the tree to ask questions of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "input", "br", "hr", "img", "link", "col", "wbr"})


@dataclass
class Element:
    """An element with its attributes, its children and the texts in it."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """This element and all in it, in order."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements in it with this tag and these attributes; `class_` and `data_x` stand for class and data-x."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}

        def has(each: Element, name: str, value: str) -> bool:
            found = each.attributes.get(name)
            return value in (found or "").split() if name == "class" else found == value

        return [
            each
            for each in self.walk()
            if tag in ("", each.tag) and all(has(each, name, value) for name, value in wanted.items())
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    @property
    def text(self) -> str:
        """All texts in it, white space as one space."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())


class HtmlPage(HTMLParser):
    """A page; fails where an element is not closed, is closed twice, or an attribute is given twice."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.root = Element("#document", {})
        self._open = [self.root]
        self.feed(html)
        self.close()
        assert [each.tag for each in self._open] == ["#document"], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag, attributes, self._open[-1])
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def section(self, name: str) -> Element:
        """A section by its id."""
        return self.root.one(id=name)

    def has(self, name: str) -> bool:
        """Whether there is an element with this id."""
        return bool(self.root.all(id=name))
