"""The package that `cxflow new connector` creates, from the templates in `scaffold`."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from cxflow.errors import ConfigError

_TEMPLATES = Path(__file__).parent / "scaffold"


def distribution(name: str) -> str:
    """The name of a connector's package. Raises ConfigError for a name that a connector cannot have."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise ConfigError(f"{name!r} is not in snake_case", value=name, fix="such as help_desk")
    return f"cxflow-{name.replace('_', '-')}"


def create(name: str, folder: Path) -> list[str]:
    """Write the package's files; returns their paths within the folder. Raises ConfigError if one is there."""
    words = name.split("_")
    module = f"cxflow_{name}"
    filling = {
        "package": distribution(name),
        "name": name,
        "module": module,
        "upper": name.upper(),
        "class_name": "".join(word.capitalize() for word in words),
        "title": " ".join(word.capitalize() for word in words),
        "host": name.replace("_", "-"),
    }
    files = {f"src/{module}/py.typed": ""}
    for template in sorted(_TEMPLATES.rglob("*.txt")):
        path = template.relative_to(_TEMPLATES).as_posix().removesuffix(".txt")
        target = path.replace("src/", f"src/{module}/", 1)
        files[target] = Template(template.read_text(encoding="utf-8")).substitute(filling)
    for file in files:
        if (folder / file).exists():
            raise ConfigError(
                f"{folder / file} already exists", value=str(folder / file), fix="choose another folder"
            )
    for file, text in files.items():
        target_file = folder / file
        target_file.parent.mkdir(parents=True, exist_ok=True)
        target_file.write_text(text, encoding="utf-8")
    return sorted(files)
