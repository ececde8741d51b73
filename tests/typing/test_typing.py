"""A plugin's author checks types strictly and without plugins of mypy: what is right passes, what is wrong is seen.

mypy runs once, outside of the checkout, so that it finds cxflow as it finds any installed package: by `py.typed`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import cxflow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLUGIN = sorted(HERE.glob("typed_desk/*.py"))
PAGES = [
    # The tutorial's modules are one package, which `test_docs_tutorial` checks.
    *sorted(each for each in ROOT.glob("docs/*.md") if each.stem != "tutorial-connector"),
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
]


def _snippets() -> Iterator[tuple[str, str]]:
    """The pages' Python modules: what imports nothing is a fragment of one."""
    for page in PAGES:
        place = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
        blocks = re.findall(r"^( *)```python\n(.*?)^\1```", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for number, (_, block) in enumerate(blocks, 1):
            code = textwrap.dedent(block)
            if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(code))):
                yield f"{place}_{number}", code


SNIPPETS = dict(_snippets())
CHECKED = [*PLUGIN, HERE / "mistakes.py", HERE / "test_desk.py"]


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """What mypy says, by the name of the module it says it of."""
    folder = tmp_path_factory.mktemp("types")
    for name, code in SNIPPETS.items():
        (folder / f"{name}.py").write_text(code)
    command = [
        *(sys.executable, "-m", "mypy", "--config-file", HERE / "mypy.ini"),
        *("--cache-dir", ROOT / ".mypy_cache" / "of_plugins"),
        *CHECKED,
        *(f"{name}.py" for name in SNIPPETS),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not done.stderr
    assert done.returncode in (0, 1), done.stdout
    found: dict[str, list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        if error := re.fullmatch(r"(.+?):(\d+: error: .+)", line):
            found[Path(error[1]).stem].append(error[2])
    return found


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: path.stem)
def test_a_plugin_is_checked_as_it_is_written(problems: Mapping[str, list[str]], path: Path) -> None:
    assert problems.get(path.stem, []) == []


@pytest.mark.parametrize("name", SNIPPETS)
def test_what_the_docs_show_passes_strict_checks(problems: Mapping[str, list[str]], name: str) -> None:
    assert problems.get(name, []) == []


def test_no_other_module_is_complained_of(problems: Mapping[str, list[str]]) -> None:
    assert set(problems) <= {path.stem for path in CHECKED} | set(SNIPPETS)


def test_the_plugin_uses_every_public_name() -> None:
    imported = {
        name.name
        for path in PLUGIN
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "cxflow"
        for name in node.names
    }
    assert imported == set(cxflow.__all__)


def test_every_mistake_is_one_that_the_checker_is_told_to_expect() -> None:
    lines = (HERE / "mistakes.py").read_text().splitlines()
    assert sum("# type: ignore[" in line for line in lines) > 80
    assert [line for line in lines if re.search(r"type: ignore(?!\[)", line)] == []
