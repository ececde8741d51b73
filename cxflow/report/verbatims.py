"""Reads what customers wrote in reviews and surveys, masked. Called by `contents`.

The newest texts of the period, as many of the unhappy as of the happy: a choice to read, not a sample to count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from cxflow.report import masking
from cxflow.report.edition import Edition
from cxflow.warehouse.tables import customer_profile, review, survey_response, touchpoint

Mood = Literal["bad", "middle", "good", "unrated"]

MOODS: tuple[Mood, ...] = ("bad", "middle", "good", "unrated")
MOST_OF_A_MOOD = 8
_READ_OF_A_MOOD = 120
"""Texts read for each mood and kind: the same text may come many times."""
SHORTEST_TEXT = 12
LONGEST_TEXT = 600
"""Characters."""
_RATINGS = ("nps", "csat", "ces")
"""Questions whose answer tells the mood of a survey's comment, the first one answered."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A text of a customer, masked."""

    kind: Literal["review", "survey"]
    source: str
    day: date
    text: str
    mood: Mood
    rating: float | None
    worst: float | None
    best: float | None
    language: str | None
    """BCP 47, if it is known."""
    times: int = 1
    """How many customers wrote the same words in the period, among the newest texts."""


def read(connection: sa.Connection, edition: Edition, placeholders: Mapping[str, str]) -> list[Verbatim]:
    """The newest texts of the period, grouped by mood. `placeholders`: what stands in the place of personal data."""
    if edition.period is None:
        return []
    begin, end = edition.period.instants(edition.zone)
    rows = [
        row
        for text in (_reviews(begin, end), _answers(begin, end))
        for row in connection.execute(_newest(text.subquery()))
        if len(row.text.strip()) >= SHORTEST_TEXT
    ]
    own = _of_writers(connection, {row.customer_id for row in rows if row.customer_id})
    texts = [row.text for row in rows]
    names = masking.Names(_names(connection, sorted(masking.words_of(texts))), masking.ordinary_words(texts))
    found: dict[tuple[str, str, str], Verbatim] = {}
    for row in sorted(rows, key=lambda each: (each.at, each.text), reverse=True):
        text = masking.mask(_tidied(row.text), names, own.get(row.customer_id, ()), placeholders)
        same = (row.kind, row.mood, text)
        if same in found:
            found[same] = replace(found[same], times=found[same].times + 1)
        else:
            found[same] = _verbatim(row, text, edition)
    return [
        each
        for mood in MOODS
        for each in [verbatim for verbatim in found.values() if verbatim.mood == mood][:MOST_OF_A_MOOD]
    ]


def _tidied(text: str) -> str:
    """A text with one kind of line break, and without empty lines."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _verbatim(row: Any, text: str, edition: Edition) -> Verbatim:
    return Verbatim(
        kind=row.kind,
        source=row.source,
        day=row.at.astimezone(edition.zone).date(),
        text=text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1].rstrip()}…",
        mood=row.mood,
        rating=row.rating,
        worst=row.worst,
        best=row.best,
        language=row.language,
    )


def _reviews(begin: datetime, end: datetime) -> sa.Select[Any]:
    r = review.c
    both = r.review_title + sa.literal("\n") + r.review_body
    # A title that some services make of the first words of the text says nothing more.
    body = sa.case(
        (sa.func.starts_with(r.review_body, r.review_title), r.review_body),
        else_=sa.func.coalesce(both, r.review_body, r.review_title),
    )
    return sa.select(
        sa.literal("review").label("kind"),
        r.review_id.label("key"),
        r.source_system.label("source"),
        r.date_published.label("at"),
        body.label("text"),
        _mood(sa.null(), r.rating_value, r.worst_rating, r.best_rating).label("mood"),
        r.rating_value.label("rating"),
        r.worst_rating.label("worst"),
        r.best_rating.label("best"),
        r.language,
        r.touchpoint_id,
    ).where(~r.is_deleted, body.is_not(None), r.date_published >= begin, r.date_published < end)


def _answers(begin: datetime, end: datetime) -> sa.Select[Any]:
    """Comments, each with the rating of its own question or of another one of the same survey."""
    s = survey_response.c
    answered = (~s.is_deleted, s.responded_at >= begin, s.responded_at < end)
    order = sa.case({name: place for place, name in enumerate(_RATINGS)}, value=s.metric_type)
    rated = (
        sa.select(
            s.response_id,
            s.metric_type,
            s.rating_value,
            s.worst_rating,
            s.best_rating,
            sa.func.row_number()
            .over(partition_by=s.response_id, order_by=(order, s.question_id))
            .label("place"),
        )
        .where(*answered, s.metric_type.in_(_RATINGS), s.rating_value.is_not(None))
        .subquery()
    )
    r = rated.c
    return (
        sa.select(
            sa.literal("survey").label("kind"),
            (s.response_id + sa.literal("/") + s.question_id).label("key"),
            s.source_system.label("source"),
            s.responded_at.label("at"),
            s.response_text.label("text"),
            _mood(r.metric_type, r.rating_value, r.worst_rating, r.best_rating).label("mood"),
            r.rating_value.label("rating"),
            r.worst_rating.label("worst"),
            r.best_rating.label("best"),
            sa.cast(sa.null(), sa.String).label("language"),
            s.touchpoint_id,
        )
        .select_from(survey_response)
        .join(rated, sa.and_(r.response_id == s.response_id, r.place == 1), isouter=True)
        .where(*answered, s.response_text.is_not(None))
    )


def _mood(metric: Any, rating: Any, worst: Any, best: Any) -> sa.ColumnElement[str]:
    """0–6, 7–8 and 9–10 of NPS; of another scale the lowest quarter, the middle and the highest quarter: 1–2, 3 and
    4–5 of five stars."""
    place = (rating - worst) / sa.func.nullif(best - worst, 0)
    is_nps = metric == "nps"
    return sa.case(
        (sa.or_(rating.is_(None), place.is_(None)), "unrated"),
        (sa.and_(is_nps, rating <= 6), "bad"),
        (sa.and_(is_nps, rating <= 8), "middle"),
        (is_nps, "good"),
        (place <= 0.25, "bad"),
        (place < 0.75, "middle"),
        else_="good",
    )


def _newest(text: sa.Subquery) -> sa.Select[Any]:
    """The newest of each mood, each with its customer."""
    place = sa.func.row_number().over(partition_by=text.c.mood, order_by=(text.c.at.desc(), text.c.key))
    ranked = sa.select(text, place.label("place")).subquery()
    few = sa.select(ranked).where(ranked.c.place <= _READ_OF_A_MOOD).cte("few")
    return sa.select(few, touchpoint.c.customer_id).join_from(
        few, touchpoint, touchpoint.c.touchpoint_id == few.c.touchpoint_id, isouter=True
    )


def _of_writers(connection: sa.Connection, customers: set[str]) -> dict[str, list[str]]:
    """Customer to their names and towns, as any source knows them."""
    p = customer_profile.c
    query = sa.select(p.customer_id, p.full_name, p.city).where(p.customer_id.in_(customers), ~p.is_deleted)
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.customer_id, []).extend(each for each in (row.full_name, row.city) if each)
    return found


def _names(connection: sa.Connection, words: Sequence[str]) -> frozenset[str]:
    """Those of the words that are one of the first four words of any customer's name."""
    if not words:
        return frozenset()
    p = customer_profile.c
    parts = [sa.func.split_part(sa.func.lower(p.full_name), " ", place) for place in (1, 2, 3, 4)]
    query = sa.union(*(sa.select(part).where(part.in_(words), ~p.is_deleted) for part in parts))
    return frozenset(connection.scalars(query))
