"""Measures the models of texts and writes the tables of docs/words.md: what share of real reviews they judge as their
ratings do, and how fast. `make words` runs it on the data sets that it finds in CXFLOW_REAL_DATA.

    python tests/words/words_table.py [--texts 100000]

The reviews belong to others and are only evaluated: nothing of them is in cxflow. The neutral band was looked at on the
English ones, which are in the public domain, and on no other.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from cxflow.model.text_model import SENTIMENTS, Texts
from cxflow.settings import Words
from cxflow.testing import TestProject
from cxflow.words import language, lexicon, tokens, topics

PAGE = Path(__file__).parents[2] / "docs" / "words.md"
BATCH_TEXTS = 20_000
_SHORT_WORDS = 6

PROJECT = """\
[connections.shop]
connector = "files"

[connections.shop.streams.reviews]
path = "reviews.parquet"
primary_key = ["id"]

[connections.shop.streams.reviews.to.touchpoint]
activity = "'wrote_review'"
channel = "'web'"
occurred_at = "TIMESTAMPTZ '2026-01-01 10:00:00Z'"

[connections.shop.streams.reviews.to.review]
review_id = "id"
review_body = "words"
date_published = "TIMESTAMPTZ '2026-01-01 10:00:00Z'"
"""
SCORE = (
    "import sys; from pathlib import Path; from cxflow import flow; from cxflow.settings import load\n"
    "print(flow.score_texts(load(Path(sys.argv[1]))))"
)


class Reviews(NamedTuple):
    """A data set: texts, what their ratings say of them, and their language."""

    name: str
    language: str
    texts: list[str]
    sentiments: list[str]


def rated(name: str, language: str, texts: pd.Series, stars: pd.Series) -> Reviews:
    """Reviews by their ratings on a scale from 1 to 5: up to 2.5 negative, from 3.5 positive, neutral between."""
    kept = texts.notna() & (texts.str.strip() != "") & stars.notna()
    bands = pd.cut(stars[kept], [0, 2.5, 3.499, 5], labels=list(SENTIMENTS))
    return Reviews(name, language, texts[kept].tolist(), bands.astype(str).tolist())


def joined(*columns: pd.Series) -> pd.Series:
    """Titles and bodies as the warehouse joins them."""
    return columns[0].fillna("").str.cat([each.fillna("") for each in columns[1:]], sep="\n").str.strip()


def restmex(folder: Path) -> Reviews:
    """Sights of a Mexican town, rated from 1 to 5."""
    found = pd.read_csv(folder / "restmex2021" / "rest-mex_2021_Sentiment_data_train.csv")
    return rated("Rest-Mex 2021", "es", joined(found["Title"], found["Opinion"]), found["Label"])


def olist(folder: Path) -> Reviews:
    """Orders of a Brazilian marketplace, rated from 1 to 5; those with a comment."""
    found = pd.read_csv(folder / "olist_sample" / "olist_order_reviews_dataset.csv")
    texts = joined(found["review_comment_title"], found["review_comment_message"])
    return rated("Olist", "pt", texts, found["review_score"])


def skytrax(folder: Path) -> Reviews:
    """Lounges and seats of airlines; lounges are rated up to 5, the later ones up to 10, as seats are."""
    lounges, seats = (pd.read_csv(folder / "skytrax" / f"{name}.csv") for name in ("lounge", "seat"))
    is_of_ten = lounges["type_traveller"].notna() | (lounges["overall_rating"] > 5)
    best = pd.concat([pd.Series(np.where(is_of_ten, 10, 5)), pd.Series(np.full(len(seats), 10))])
    both = pd.concat([lounges, seats])
    stars = 1 + (both["overall_rating"] - 1) * 4 / (best.set_axis(both.index) - 1)
    return rated("Skytrax", "en", both["content"], stars)


SETS: tuple[Callable[[Path], Reviews], ...] = (restmex, skytrax, olist)


def batches(texts: Sequence[str], languages: Sequence[str | None]) -> Iterator[Texts]:
    """Texts as the stage gives them to the models."""
    for start in range(0, len(texts), BATCH_TEXTS):
        part = slice(start, start + BATCH_TEXTS)
        yield Texts(pa.array(texts[part], pa.string()), pa.array(languages[part], pa.string()))


def told_languages(texts: Sequence[str]) -> list[str | None]:
    """The languages that the model tells."""
    model = language.model(Words().languages)
    found = [model.score(each).string for each in batches(texts, [None] * len(texts))]
    return [name for some in found if some is not None for name in some.to_pylist()]


def f1(right: Sequence[str], told: Sequence[str]) -> dict[str, float]:
    """Of each sentiment, the harmonic mean of precision and recall."""
    pairs, of_right, of_told = Counter(zip(right, told, strict=True)), Counter(right), Counter(told)
    return {name: 2 * pairs[name, name] / max(of_right[name] + of_told[name], 1) for name in SENTIMENTS}


def area(right: Sequence[str], numbers: Sequence[float]) -> float:
    """The probability that a positive review has a higher score than a negative one (ties count half)."""
    good = np.sort([number for name, number in zip(right, numbers, strict=True) if name == "positive"])
    bad = np.array([number for name, number in zip(right, numbers, strict=True) if name == "negative"])
    above = len(good) - np.searchsorted(good, bad, "right")
    equal = np.searchsorted(good, bad, "right") - np.searchsorted(good, bad, "left")
    return float(np.mean((above + equal / 2) / len(good)))


def accuracy(sets: Sequence[Reviews]) -> list[list[str]]:
    """Rows: how the models judge each data set, end to end, and what guessing the most frequent answer would reach."""
    rows = []
    for each in sets:
        told, numbers = [], []
        for part in batches(each.texts, told_languages(each.texts)):
            scores = lexicon.score(part)
            assert scores.string is not None
            assert scores.number is not None
            told += [name or "none" for name in scores.string.to_pylist()]
            numbers += [number or 0.0 for number in scores.number.to_pylist()]
        hits = sum(one == other for one, other in zip(each.sentiments, told, strict=True))
        most = Counter(each.sentiments).most_common(1)[0]
        by_name = f1(each.sentiments, told)
        guessed = f1(each.sentiments, [most[0]] * len(told))
        rows.append(
            [
                f"{each.name} ({each.language})",
                f"{len(told):,}",
                f"{hits / len(told):.1%}",
                f"{most[1] / len(told):.1%}",
                f"{np.mean(list(by_name.values())):.2f}",
                f"{np.mean(list(guessed.values())):.2f}",
                *(f"{by_name[name]:.2f}" for name in SENTIMENTS),
                f"{area(each.sentiments, numbers):.2f}",
            ]
        )
    return rows


def confidences(sets: Sequence[Reviews]) -> list[list[str]]:
    """Rows: by confidence, the share of positive and negative judgements with the rating's sign; neutral ratings count
    against."""
    bands = ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01))
    rows = []
    for each in sets:
        cells = []
        found = [lexicon.score(part) for part in batches(each.texts, told_languages(each.texts))]
        told = [name for scores in found if scores.string is not None for name in scores.string.to_pylist()]
        sure = [
            share
            for scores in found
            if scores.confidence is not None
            for share in scores.confidence.to_pylist()
        ]
        for low, high in bands:
            here = [
                name == right
                for name, share, right in zip(told, sure, each.sentiments, strict=True)
                if name in ("negative", "positive") and low <= share < high
            ]
            cells.append(f"{np.mean(here):.0%} of {len(here):,}" if here else "–")
        rows.append([f"{each.name} ({each.language})", *cells])
    return rows


def languages(sets: Sequence[Reviews]) -> list[list[str]]:
    """Rows: the share of reviews whose language is told right, whole and cut to a few words, and not told at all."""
    rows = []
    for each in sets:
        cells = []
        for texts in (each.texts, [" ".join(text.split()[:_SHORT_WORDS]) for text in each.texts]):
            told = told_languages(texts)
            right = sum(name == each.language for name in told) / len(told)
            cells += [f"{right:.1%}", f"{sum(name is None for name in told) / len(told):.1%}"]
        rows.append([f"{each.name} ({each.language})", *cells])
    return rows


def speeds(sets: Sequence[Reviews], texts: int) -> list[list[str]]:
    """Rows: texts a second on one core, each model and all; every text is different."""
    rules = topics.model(topics.of_project(Words()))
    language.model(Words().languages).score(Texts(pa.array(["once"]), pa.nulls(1, pa.string())))
    lexicon.score(Texts(pa.array(["once"]), pa.array(["en"])))
    rows = []
    for each in sets:
        many = [f"{number} {text}" for number, text in zip(range(texts), itertools.cycle(each.texts))]
        spent: Counter[str] = Counter()
        for part in batches(many, [each.language] * len(many)):
            for name, work in (
                ("language", lambda part=part: language.model(Words().languages).score(part)),
                ("words", lambda part=part: tokens.of(part.text)),
                ("sentiment", lambda part=part: lexicon.score(part)),
                ("topic", lambda part=part: rules.score(part)),
            ):
                began = time.process_time()
                work()
                spent[name] += time.process_time() - began  # type: ignore[assignment]
        length = sum(map(len, many)) / len(many)
        rows.append(
            [
                f"{each.name} ({each.language})",
                f"{length:.0f}",
                *(f"{len(many) / spent[name]:,.0f}" for name in ("language", "words", "sentiment", "topic")),
                f"{len(many) / sum(spent.values()):,.0f}",
            ]
        )
    return rows


def whole(sets: Sequence[Reviews], texts: int) -> list[list[str]]:
    """Rows: a process that scores what a load left it, imports included, on a DuckDB warehouse."""
    sys.path.append(str(Path(__file__).parents[1] / "bench"))
    import measure

    rows = []
    for each in sets:
        with tempfile.TemporaryDirectory(prefix="cxflow-words-table-") as name:
            folder = Path(name)
            many = [f"{number} {text}" for number, text in zip(range(texts), itertools.cycle(each.texts))]
            project = TestProject(folder, PROJECT)
            ids = [str(number) for number in range(texts)]
            pa.parquet.write_table(pa.table({"id": ids, "words": many}), folder / "reviews.parquet")
            project.run()
            measured = measure.run([sys.executable, "-c", SCORE, folder], folder)
            again = measure.run([sys.executable, "-c", SCORE, folder], folder)
        rows.append(
            [
                f"{each.name} ({each.language})",
                f"{texts:,}",
                f"{measured.wall_seconds:.1f} s",
                f"{measured.cpu_seconds:.1f} s",
                f"{again.cpu_seconds:.1f} s",
                f"{texts / (measured.cpu_seconds - again.cpu_seconds):,.0f}",
            ]
        )
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def main() -> None:
    """Measure, print and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000, help="how many texts to time, of each set")
    asked = parser.parse_args()
    folder = Path(os.environ["CXFLOW_REAL_DATA"])
    sets = [each(folder) for each in SETS]
    found = {
        "accuracy": table(
            [
                "reviews",
                "n",
                "right",
                "majority",
                "macro-F1",
                "its majority",
                *SENTIMENTS,
                "positive above negative",
            ],
            accuracy(sets),
        ),
        "confidence": table(["reviews", "0.2–0.4", "0.4–0.6", "0.6–0.8", "0.8–1"], confidences(sets)),
        "languages": table(
            ["reviews", "right", "left open", "six words: right", "left open"], languages(sets)
        ),
        "speed": table(
            ["texts like", "characters", "language", "splitting", "sentiment", "topic", "all"],
            speeds(sets, asked.texts),
        ),
        "whole": table(
            [
                "texts like",
                "texts",
                "wall",
                "processor",
                "with nothing to do",
                "texts a second per core beyond that",
            ],
            whole(sets, asked.texts),
        ),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, made in found.items():
        print(f"\n{name}\n{made}")
        mark = f"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)"
        text = re.sub(
            mark, lambda match, made=made: f"{match[1]}\n{made}\n\n{match[2]}", text, flags=re.DOTALL
        )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
