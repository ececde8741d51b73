"""What docs/words.md shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from cxflow import Texts
from cxflow.connect.registry import BroughtModel
from cxflow.settings import load
from cxflow.words import lexicon, models, topics

PAGE = (Path(__file__).parents[2] / "docs" / "words.md").read_text(encoding="utf-8")


def snippet(language: str, mark: str) -> str:
    return next(
        text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL) if mark in text
    )


def test_its_settings_are_valid(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_text(snippet("toml", "[words]"), encoding="utf-8")
    words = load(tmp_path).words
    known = topics.of_project(words)
    assert "loyalty" in known
    assert "food" not in known
    assert (words.enabled, words.languages, words.sentiment) == (True, ("en", "es", "pt"), "lexicon")


def test_its_model_is_one() -> None:
    space: dict[str, Any] = {}
    exec(snippet("python", "cxflow_text_models"), space)
    [model] = space["cxflow_text_models"]()
    texts = Texts(pa.array(["My lawyer will call you", "fine"]), pa.array(["en", None], pa.string()))
    found = models.score(BroughtModel(model, "angry"), texts)
    assert found["string"].to_pylist() == ["negative", "neutral"]


def test_the_numbers_it_tells_are_those_of_the_code() -> None:
    assert f"from −{lexicon.NEUTRAL:g} to {lexicon.NEUTRAL:g}".capitalize() in PAGE
    assert "up to four words before" in PAGE
    assert lexicon.REACH_WORDS == 4
    assert f"(P − N) ÷ (P + N + {lexicon.EVIDENCE:g})" in PAGE
    assert (lexicon.RAISED, lexicon.LOWERED, lexicon.TURNED) == (1.4, 0.6, -0.6)
