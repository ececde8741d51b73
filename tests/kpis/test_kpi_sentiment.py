"""net_sentiment."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at

from cxflow.warehouse.tables import signal


def sentiment(desk: Desk, tone: str | None, number: float | None = None, **columns: str) -> str:
    touchpoint_id = columns.pop("touchpoint_id", None) or desk.touchpoint(at("3-14"))
    row = {"name": "sentiment", "model_version": "1", "string_value": tone, "number_value": number}
    desk.put(signal, {"touchpoint_id": touchpoint_id, **row, **columns})
    return touchpoint_id


def test_sentiment_is_positive_less_negative_by_the_newest_model(desk: Desk) -> None:
    # Positive: three words, a score, and what the newer model says; negative: two words and a score; neutral: a word
    # and a score of 0. 5 − 3 of 10.
    for tone in ("positive", "Positive", "positive", "negative", "negative", "neutral"):
        sentiment(desk, tone)
    for number in (0.8, -0.1, 0.0):
        sentiment(desk, None, number)
    touchpoint_id = sentiment(desk, "negative")
    sentiment(desk, "positive", touchpoint_id=touchpoint_id, model_version="2")
    sentiment(desk, "furious")  # a word that nobody knows
    sentiment(desk, "negative", name="topic")
    net = desk.result("net_sentiment")
    assert net is not None
    assert (net.value, net.n, net.left_out) == (pytest.approx(20), 10, 1)
    low, high = interval_by_hand.net(5, 3, 10)
    assert (net.ci_low, net.ci_high) == (pytest.approx(100 * low), pytest.approx(100 * high))


def test_none_without_a_value_and_a_single_sentiment(desk: Desk) -> None:
    assert desk.result("net_sentiment") is None
    sentiment(desk, None)
    assert desk.result("net_sentiment") is None
    sentiment(desk, "negative")
    net = desk.result("net_sentiment")
    assert net is not None
    assert (net.value, net.n) == (-100, 1)
