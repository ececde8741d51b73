"""What is different in the oldest Python that cxflow runs on: Debian 12 has 3.11.2."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[\d,]+\})\+")


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Before 3.11.5, `(?:group)*+` skips what its last try matched before it failed: `(?:(?!;).)*+` takes the `;` too.
    An atomic group does the same and is right: `(?>(?:group)*)`."""
    sources = [*ROOT.glob("cxflow/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    assert len(sources) > 300
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _POSSESSIVE_GROUP.search(line)
    ]
    assert found == []
