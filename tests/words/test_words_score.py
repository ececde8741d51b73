"""The signals of texts in the warehouse: they follow their texts, whatever the order of loads; on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from trip_bench import Bench, NewWarehouse

import cxflow
from cxflow import flow
from cxflow.connect import registry
from cxflow.connect.registry import BroughtModel
from cxflow.validate import runner
from cxflow.words.score import WordsReport

STREAM = {
    "primary_key": ["id"],
    "version": "changed",
    "deleted": "gone",
    "may_lack": ["title", "words", "gone", "about", "mood", "other"],
}
TOUCHPOINT = {"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "seen"}
STREAMS = {
    "reviews": {
        **STREAM,
        "to": {
            "touchpoint": TOUCHPOINT,
            "review": {
                "review_id": "id",
                "date_published": "seen",
                "review_title": "title",
                "review_body": "words",
            },
            "signal": {
                "where": "mood IS NOT NULL",
                "name": "'sentiment'",
                "model_version": "'vendor'",
                "string_value": "mood",
            },
        },
    },
    "answers": {
        **STREAM,
        "to": {
            "touchpoint": {**TOUCHPOINT, "activity": "'answered_survey'"},
            "survey_response": {
                "for_each": "[words, other]",
                "response_id": "id",
                "question_id": "item_no::VARCHAR",
                "metric_type": "'nps'",
                "responded_at": "seen",
                "response_text": "item",
            },
        },
    },
    "notes": {
        **STREAM,
        "to": {
            "support_case": {
                "case_id": "id",
                "touchpoint_id": "about",
                "opened_at": "seen",
                "opening_text": "words",
            }
        },
    },
}
SIGNALS = "SELECT name, string_value FROM signal WHERE NOT is_deleted ORDER BY touchpoint_id, name"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(tmp_path_factory.mktemp("words"), STREAMS, warehouse=new_warehouse())


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    warehouse.clear()
    warehouse.reconfigure(Bench.tree(STREAMS))


def record(id: str, words: str | None, changed: int = 1, day: int = 1, **more: Any) -> dict[str, Any]:
    moment = datetime(2026, 2, day, 12, tzinfo=UTC)
    version = datetime(2026, 2, changed, 13, tzinfo=UTC)
    return {"id": id, "seen": moment.isoformat(), "changed": version.isoformat(), "words": words, **more}


def loaded(bench: Bench, *records: dict[str, Any], stream: str = "reviews") -> WordsReport:
    bench.load(records, stream)
    return flow.score_texts(bench.settings)


def test_each_text_gets_its_signals_and_no_row_without_one_does(bench: Bench) -> None:
    report = loaded(
        bench,
        record("1", "The delivery was late and the driver was rude."),
        record("2", "El personal fue muy amable, excelente atención."),
        record("3", None),
        record("4", " \n\t "),
    )
    assert report == WordsReport(texts=2, signals=6, removed=0)
    found = bench.query(
        "SELECT r.review_id, s.name, s.string_value, s.source_record_id = r.source_record_id, s.run_id "
        "FROM signal s JOIN review r ON r.touchpoint_id = s.touchpoint_id ORDER BY 1, 2"
    )
    assert found == [
        ("shop:1", "language", "en", True, "words"),
        ("shop:1", "sentiment", "negative", True, "words"),
        ("shop:1", "topic", "delivery", True, "words"),
        ("shop:2", "language", "es", True, "words"),
        ("shop:2", "sentiment", "positive", True, "words"),
        ("shop:2", "topic", "staff", True, "words"),
    ]
    numbers = bench.query("SELECT number_value, confidence FROM signal WHERE name = 'sentiment' ORDER BY 1")
    assert -1 <= numbers[0][0] < 0 < numbers[1][0] <= 1
    assert all(0 < confidence <= 1 for _, confidence in numbers)
    assert flow.score_texts(bench.settings) == WordsReport(), "nothing is pending any more"


def test_the_texts_of_a_touchpoint_are_one(bench: Bench) -> None:
    """A title and a body; the answers of one survey. Bad and good together are neither."""
    loaded(bench, record("1", "Great, lovely, excellent hotel.", title="Terrible, horrible, awful place"))
    assert ("sentiment", "neutral") in bench.query(SIGNALS)
    report = loaded(bench, record("2", "I love it", other="The best hotel"), stream="answers")
    assert report == WordsReport(texts=1, signals=2)


def test_a_text_that_changes_or_goes_takes_its_signals_along(bench: Bench) -> None:
    loaded(bench, record("1", "Terrible food."), record("2", "Good food."))
    assert ("sentiment", "negative") in bench.query(SIGNALS)
    bench.load([record("1", "Wonderful food.", changed=2), record("2", None, changed=2)], "reviews")
    assert bench.query(SIGNALS) == [], "nothing outlives its text, even before the next scoring"
    assert flow.score_texts(bench.settings) == WordsReport(texts=1, signals=3)
    assert bench.query(SIGNALS) == [("language", "en"), ("sentiment", "positive"), ("topic", "food")]
    assert loaded(bench, record("1", "Wonderful food.", changed=3, gone=True)) == WordsReport()
    assert bench.query(SIGNALS) == []


def test_what_a_source_says_itself_is_not_computed(bench: Bench) -> None:
    loaded(bench, record("1", "Terrible food.", mood="positive"))
    assert bench.query(SIGNALS) == [("language", "en"), ("sentiment", "positive"), ("topic", "food")]
    loaded(bench, record("1", "Terrible food.", changed=2))
    assert ("sentiment", "negative") in bench.query(SIGNALS)


def test_the_order_of_loads_does_not_show(bench: Bench) -> None:
    """Three records, one of which adds to another's touchpoint; versions in several orders, scored after each or at
    the end."""
    loaded(bench, record("1", "Bad room."))
    [(touched,)] = bench.query("SELECT touchpoint_id FROM touchpoint")
    bench.clear()
    rounds = (
        ("reviews", record("1", "Bad room.")),
        ("reviews", record("1", "Good room.", changed=3)),
        ("notes", record("9", "The refund never arrived!", about=touched, day=5)),
        ("notes", record("9", "All solved, thanks.", about=touched, changed=4, day=6)),
    )
    results = set()
    orders = list(itertools.permutations(rounds))[::9]
    for number, order in enumerate(orders):
        for stream, each in order:
            bench.load([each], stream)
            if number % 2:
                flow.score_texts(bench.settings)
        flow.score_texts(bench.settings)
        results.add(tuple(bench.rows("signal")))
        bench.clear()
    assert len(results) == 1
    assert len(*results) == 3


def test_a_second_record_of_a_touchpoint_leaves_no_trace_when_it_goes(bench: Bench) -> None:
    loaded(bench, record("1", "Bad room."))
    [(touched,)] = bench.query("SELECT touchpoint_id FROM touchpoint")
    before = bench.rows("signal")
    loaded(bench, record("9", "All solved, wonderful, thanks!", about=touched, day=5), stream="notes")
    assert bench.rows("signal") != before
    loaded(
        bench,
        record("9", "All solved, wonderful, thanks!", about=touched, day=5, changed=2, gone=True),
        stream="notes",
    )
    assert bench.rows("signal") == before


def test_another_version_of_a_model_scores_all_texts_anew(bench: Bench) -> None:
    loaded(bench, record("1", "The cashback is missing"), record("2", "Nice room"))
    bench.reconfigure(Bench.tree(STREAMS, settings={"words": {"topics": {"cashback": ["cashback"]}}}))
    assert flow.score_texts(bench.settings).texts == 2
    topics = bench.query("SELECT string_value FROM signal WHERE name = 'topic' ORDER BY 1")
    assert topics == [("cashback",), ("place",)]
    versions = bench.query("SELECT count(DISTINCT model_version) FROM signal")
    assert versions == [(3,)], "one of each model"
    assert flow.score_texts(bench.settings) == WordsReport()


def test_turned_off_it_leaves_nothing_and_turned_on_it_catches_up(bench: Bench) -> None:
    loaded(bench, record("1", "Good room", mood="positive"), record("2", "Bad room"))
    bench.reconfigure(Bench.tree(STREAMS, settings={"words": {"enabled": False}}))
    assert flow.score_texts(bench.settings) == WordsReport(removed=5)
    assert bench.query(SIGNALS) == [("sentiment", "positive")], "the source's own stays"
    assert loaded(bench, record("3", "Dirty room")) == WordsReport()
    assert bench.query("SELECT count(*) FROM pending_text") == [(0,)]
    bench.reconfigure(Bench.tree(STREAMS))
    assert flow.score_texts(bench.settings).texts == 3


def test_the_days_of_new_signals_are_noted_for_the_kpis(bench: Bench) -> None:
    bench.load([record("1", "Bad room", day=3)], "reviews")
    bench.execute("DELETE FROM pending_kpi")
    flow.score_texts(bench.settings)
    noted = bench.query("SELECT table_name, CAST(day AS VARCHAR) FROM pending_kpi ORDER BY 1")
    assert noted == [("review", "2026-02-03"), ("touchpoint", "2026-02-03")]


def test_more_texts_than_a_batch_holds_are_all_scored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxflow.words.score.BATCH_TEXTS", 7)
    report = loaded(bench, *(record(str(number), f"Room {number} was good") for number in range(50)))
    assert (report.texts, report.signals) == (50, 150)


def _acme() -> list[cxflow.TextModel]:
    def score(texts: cxflow.Texts) -> cxflow.Scores:
        is_loud = pc.match_substring(texts.text, "!")
        return cxflow.Scores(
            number=pc.if_else(is_loud, -1.0, 1.0),
            string=pc.if_else(is_loud, "negative", "positive"),
            confidence=pa.repeat(0.5, len(texts.text)),
        )

    return [cxflow.TextModel("acme", "7", "sentiment", score)]


def test_a_company_puts_its_own_model_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = ModuleType("acme_words")
    plugin.cxflow_text_models = cxflow.hookimpl(_acme)  # type: ignore[attr-defined]
    bench.reconfigure(Bench.tree(STREAMS, settings={"words": {"sentiment": "acme"}}))
    manager = registry.of_project(bench.settings)
    manager.register(plugin)
    try:
        loaded(bench, record("1", "Excellent!"), record("2", "Terrible."))
    finally:
        manager.unregister(plugin)
    found = bench.query(
        "SELECT string_value, model_version FROM signal WHERE name = 'sentiment' ORDER BY touchpoint_id"
    )
    assert sorted(found) == [("negative", "words:acme:7"), ("positive", "words:acme:7")]


def test_a_model_that_fails_changes_nothing_and_quotes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(bench, record("1", "Bad room."))
    before = bench.everything()
    bench.load([record("2", "My name is Canary Person")], "reviews")

    def fail(texts: cxflow.Texts) -> cxflow.Scores:
        raise ValueError(f"cannot read {texts.text[0]}")

    broken = BroughtModel(cxflow.TextModel("lexicon", "1", "sentiment", fail), "acme-words")
    real = registry.text_models
    monkeypatch.setattr(registry, "text_models", lambda *given: {**real(*given), "lexicon": broken})
    with pytest.raises(
        cxflow.FatalError, match=r"model 'lexicon' of the plugin 'acme-words' failed: ValueErr"
    ) as told:
        flow.score_texts(bench.settings)
    assert "Canary" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
    assert bench.everything()["signal"] == before["signal"]
    monkeypatch.undo()
    assert flow.score_texts(bench.settings).texts == 1, "the text still waits"
