"""The topic of texts, by terms: the model `rules`.

A text's topic is the one of whose terms it has most; of equals, the one that comes first in the text. cxflow's own
topics are a table in `warehouse/seeds`; `[words.topics]` adds to them, or replaces them.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from cxflow.errors import ConfigError
from cxflow.model.text_model import Scores, TextModel, Texts
from cxflow.settings import Words
from cxflow.warehouse import revisions
from cxflow.words import tokens as tokenising
from cxflow.words.terms import Terms, normal

SEED = "topics.csv"


def usual() -> dict[str, list[str]]:
    """cxflow's own topics with their terms, in every language of the table."""
    topics: dict[str, list[str]] = {}
    with (revisions.resources() / "seeds" / SEED).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            topics.setdefault(row["topic"], []).append(row["term"])
    return topics


def of_project(words: Words) -> dict[str, list[str]]:
    """Each topic of a project with its terms, normalised. A topic in `[words.topics]` replaces cxflow's own of that
    name. Raises ConfigError for a term that is none, and for one that stands for two topics."""
    topics: dict[str, Sequence[str]] = {**(usual() if words.usual_topics else {}), **words.topics}
    found: dict[str, str] = {}
    made: dict[str, list[str]] = {}
    for topic, terms in topics.items():
        try:
            made[topic] = list(dict.fromkeys(normal(terms)))
        except ValueError as problem:
            raise ConfigError(f"words.topics.{topic}: {problem}", value=topic) from problem
        for term in made[topic]:
            if (other := found.setdefault(term, topic)) != topic:
                raise ConfigError(
                    f"words.topics: the term {term!r} stands for {other!r} and for {topic!r}",
                    value=term,
                    fix="leave it to one of them" + _from_seed(words, topic, other),
                )
    return {topic: terms for topic, terms in made.items() if terms}


def _from_seed(words: Words, *topics: str) -> str:
    own = [topic for topic in topics if topic not in words.topics]
    return f"; {own[0]!r} is cxflow's: write out its terms in words.topics.{own[0]}" if own else ""


def model(topics: Mapping[str, Sequence[str]]) -> TextModel:
    """The model of these topics, whose terms are normalised. Its version is their hash."""
    digest = hashlib.sha256(json.dumps(list(topics.items())).encode()).hexdigest()[:8]
    names = list(topics)
    terms = Terms([term for some in topics.values() for term in some])
    owner = np.repeat(np.arange(len(names)), [len(some) for some in topics.values()])

    def score(texts: Texts) -> Scores:
        tokens = tokenising.of(texts.text)
        found = terms.find(tokens)
        places = np.flatnonzero(found >= 0)
        text, topic = tokens.text[places].astype(np.int64), owner[found[places]]
        cells, first, counts = np.unique(text * len(names) + topic, return_index=True, return_counts=True)
        of, which = np.divmod(cells, len(names)) if names else (cells, cells)
        total = np.bincount(of, counts, tokens.texts)
        order = np.lexsort((first, -counts, of))
        winners = order[np.concatenate(([True], np.diff(of[order]) != 0))] if len(order) else order
        names_of = np.full(tokens.texts, None, object)
        names_of[of[winners]] = np.array(names, object)[which[winners]]
        share = np.zeros(tokens.texts)
        share[of[winners]] = np.round(counts[winners] / total[of[winners]], 4)
        return Scores(string=pa.array(names_of, pa.string()), confidence=pa.array(share, mask=total == 0))

    return TextModel("rules", f"1-{digest}", "topic", score)
