"""Every public thing says what it is, in more than the words of its name; of fields, those that plugins see."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(ROOT.glob("cxflow/**/*.py")), *sorted(ROOT.glob("plugins/*/src/**/*.py"))]
OF_PLUGINS = [
    *sorted(ROOT.glob("cxflow/model/*.py")),
    *sorted(ROOT.glob("cxflow/kpis/*.py")),
    *sorted(ROOT.glob("cxflow/connect/*.py")),
    *sorted(ROOT.glob("cxflow/connect/*/stream.py")),
    *sorted(ROOT.glob("plugins/*/src/*/streams.py")),
    *sorted(ROOT.glob("cxflow/settings/*.py")),
    ROOT / "cxflow" / "cli" / "call.py",
    ROOT / "cxflow" / "cli" / "output.py",
]
"""The modules whose fields the authors of plugins read and write."""
Definition = ast.ClassDef | ast.FunctionDef
_MODELS = {"BaseModel", "_Frozen", "Connection", "Stream"}
_UNITS = ("_at", "_bytes", "_days", "_hours", "_minutes", "_records", "_seconds", "_share")
_FILLERS = re.compile(r"an?|and|how|is|its?|of|one|or|the|this|to|was|what|whether|whose", re.IGNORECASE)


@dataclass(frozen=True)
class Public:
    """A public module, class, function, method or property."""

    place: str
    name: str
    docstring: str | None
    owner: ast.ClassDef | None = None


def _name(expression: ast.expr) -> str:
    """The last name of `module.Name[…]`."""
    found = expression.value if isinstance(expression, ast.Subscript) else expression
    return found.attr if isinstance(found, ast.Attribute) else getattr(found, "id", "")


def _path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _public(path: Path) -> Iterator[Public]:
    """What a module offers, itself first."""
    module = ast.parse(path.read_text())
    if module.body:
        yield Public(_path(path), path.stem, ast.get_docstring(module))
    for node in module.body:
        yield from _definitions(path, node, None)


def _definitions(path: Path, node: ast.stmt, owner: ast.ClassDef | None) -> Iterator[Public]:
    if not isinstance(node, Definition) or node.name.startswith("_"):
        return
    decorators = {ast.unparse(each) for each in node.decorator_list}
    if not any(each == "overload" or each.endswith(".setter") for each in decorators):
        yield Public(f"{_path(path)}:{node.lineno}", node.name, ast.get_docstring(node), owner)
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _definitions(path, inner, node)


PUBLIC = [each for path in SOURCES for each in _public(path)]
CLASSES = {
    node.name: node
    for path in SOURCES
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
}


PROTOCOLS = [each for each in CLASSES.values() if "Protocol" in map(_name, each.bases)]


def _inherited(owner: ast.ClassDef | None, name: str) -> bool:
    """Whether a base of a method's class documents it, or a protocol that the class has all members of."""
    if owner is None:
        return False
    bases = [CLASSES[_name(base)] for base in owner.bases if _name(base) in CLASSES]
    roles = [
        each for each in PROTOCOLS if each is not owner and _members(each).keys() <= _members(owner).keys()
    ]
    return any(_members(each).get(name, False) or _inherited(each, name) for each in [*bases, *roles])


def _members(owner: ast.ClassDef) -> dict[str, bool]:
    """A class's methods and fields, and whether it documents them: of fields it is not asked."""
    methods = {
        each.name: bool(ast.get_docstring(each)) for each in owner.body if isinstance(each, ast.FunctionDef)
    }
    fields = [each for each in owner.body if isinstance(each, ast.AnnAssign)]
    return methods | {ast.unparse(each.target): False for each in fields}


def _words(text: str) -> set[str]:
    """The words of a sentence or a name, without endings and fillers."""
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", text.replace("'s", ""))
    return {re.sub(r"(ed|ing|es|s)$", "", word.lower()) for word in found if not _FILLERS.fullmatch(word)}


def test_the_sources_are_found() -> None:
    assert len(SOURCES) > 150
    assert len(PUBLIC) > 800


def test_every_public_thing_has_a_docstring() -> None:
    silent = [each for each in PUBLIC if each.docstring is None and not _inherited(each.owner, each.name)]
    assert [f"{each.place} {each.name}" for each in silent] == []


def test_every_docstring_says_more_than_the_name() -> None:
    empty = [
        each for each in PUBLIC if each.docstring is not None and _words(each.docstring) <= _words(each.name)
    ]
    assert [f"{each.place} {each.name}" for each in empty] == []


@dataclass(frozen=True)
class Field:
    """A field of a dataclass or of a model of settings."""

    place: str
    owner: ast.ClassDef
    name: str
    annotation: str
    docstring: bool

    @property
    def is_told(self) -> bool:
        """Whether a reader learns what it holds: from a line under it, its unit, its class, or its type's own."""
        types = {CLASSES[name] for name in re.findall(r"\w+", self.annotation) if name in CLASSES}
        return (
            self.docstring
            or self.name.endswith(_UNITS)
            or f"`{self.name}`" in (ast.get_docstring(self.owner) or "")
            or any(ast.get_docstring(each) for each in types)
        )


def _fields(path: Path) -> Iterator[Field]:
    for owner in ast.parse(path.read_text()).body:
        if not isinstance(owner, ast.ClassDef) or owner.name.startswith("_") or not _has_fields(owner):
            continue
        for node, following in zip(owner.body, [*owner.body[1:], None], strict=True):
            if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
                continue
            name = ast.unparse(node.target)
            told = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if not name.startswith("_"):
                yield Field(f"{_path(path)}:{node.lineno}", owner, name, ast.unparse(node.annotation), told)


def _has_fields(owner: ast.ClassDef) -> bool:
    decorators = {ast.unparse(each).partition("(")[0] for each in owner.decorator_list}
    return "dataclass" in decorators or bool({_name(base) for base in owner.bases} & _MODELS)


def test_every_field_that_plugins_see_says_what_it_holds() -> None:
    fields = [field for path in OF_PLUGINS for field in _fields(path)]
    assert len(fields) > 150
    silent = [field for field in fields if not field.is_told]
    assert [f"{field.place} {field.owner.name}.{field.name}: {field.annotation}" for field in silent] == []
