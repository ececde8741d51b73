"""What the prediction of lifetimes reads of orders, and what it refuses to say."""

from __future__ import annotations

from dataclasses import astuple
from datetime import timedelta

import numpy as np
import pytest
from kpi_desk import Desk, at

from cxflow.errors import ConfigError
from cxflow.kpis.buy_till_you_die import BgNbd, GammaGamma
from cxflow.kpis.customer_months import histories
from cxflow.kpis.lifetimes import WEEKS_IN_A_MONTH, predict


def read(desk: Desk) -> dict[str, tuple[float, ...]]:
    rows = desk.connection.execute(histories(desk.settings, desk.settings.project.timezone))
    return {customer: tuple(map(float, numbers)) for customer, *numbers in rows}


def test_days_with_an_order_are_purchases(desk: Desk) -> None:
    desk.configure(kpis={"new_after_days": 0}, project={"timezone": "America/Sao_Paulo"})
    desk.order(at("1-10 12:00"), "ana", price_total=50)
    desk.order(at("1-11 02:00"), "ana", price_total=5)  # still the 10th in São Paulo
    desk.order(at("1-20"), "ana", price_total=30)
    desk.order(at("1-20 14:00"), "ana", price_total=12)
    desk.order(at("2-01"), "ana", price_total=0)  # a day, but nothing to learn of what she spends
    desk.order(at("2-09"), "ana")  # nor of what nobody knows
    desk.order(at("2-09"), "ana", price_total=9, is_cancelled=True)
    desk.order(at("2-19"), "ben", price_total=20)
    desk.order(at("3-01"), price_total=7)
    # Repeats, days from the first to the last, days until 1 March, repeats with an amount, their sum.
    assert read(desk) == {"ana": (3, 30, 50, 1, 42), "ben": (0, 0, 10, 0, 0)}


def test_only_who_is_new_is_predicted_until_the_newest_order_of_their_source(desk: Desk) -> None:
    desk.configure(kpis={"new_after_days": 30})
    desk.order(at("1-01"), "ana", price_total=50)
    desk.order(at("2-10"), "ana", price_total=50)
    desk.order(at("2-10"), "ben", price_total=50)
    desk.order(at("2-20"), "eva", price_total=50)
    desk.order(at("3-20"), "fay", price_total=50, source_system="market")
    assert read(desk) == {"ben": (0, 0, 10, 0, 0), "eva": (0, 0, 0, 0, 0)}


def test_a_prediction_is_that_of_the_models(desk: Desk) -> None:
    desk.configure(kpis={"new_after_days": 0})
    lot = np.random.default_rng(3)
    for number in range(150):
        when = at("1-01") + timedelta(days=int(lot.integers(0, 60)))
        pause, stops, scale = 1 / lot.gamma(0.8, 1 / 30), lot.beta(1.2, 2.5), 1 / lot.gamma(4, 1 / 30)
        while when < at("8-01"):
            desk.order(when, f"c{number:03}", price_total=round(float(lot.gamma(5, scale * 10)) + 1, 2))
            when += timedelta(days=min(int(lot.exponential(pause)), 999) + 1)
            if lot.random() < stops:
                break
    found = predict(desk.connection, desk.settings, months=12)
    numbers = read(desk)
    rows = np.array([numbers[customer] for customer in found.customers])
    history = (rows[:, 0], rows[:, 1] / 7, rows[:, 2] / 7)
    assert found.buying == BgNbd.fit(*history)
    valued, mean = rows[:, 3], rows[:, 4] / np.maximum(rows[:, 3], 1)
    # Sums of amounts end in other digits if the database adds them in another order.
    fitted = GammaGamma.fit(valued[valued > 0], mean[valued > 0])
    assert astuple(found.spending) == pytest.approx(astuple(fitted), rel=1e-5)
    orders = found.buying.expected(12 * WEEKS_IN_A_MONTH, *history)
    assert found.orders == pytest.approx(orders)
    assert found.value == pytest.approx(orders * found.spending.expected(valued, mean))
    written = found.table().to_pydict()
    assert written["expected_value"] == sorted(found.value, reverse=True)
    assert set(written["customer_id"]) == set(numbers)


def test_too_few_customers_or_a_currency_without_a_rate_are_refused(desk: Desk) -> None:
    desk.order(at("1-01"), "ana", price_total=50)
    with pytest.raises(ConfigError, match="0 customers are certainly new: too few") as caught:
        predict(desk.connection, desk.settings, months=12)
    assert "new_after_days = 0" in str(caught.value.fix)
    desk.order(at("1-01"), "ana", price_total=50, currency_code="USD")
    with pytest.raises(ConfigError, match="orders are in USD"):
        predict(desk.connection, desk.settings, months=12)


def test_customers_who_never_came_back_tell_nothing(desk: Desk) -> None:
    desk.configure(kpis={"new_after_days": 0})
    for number in range(120):
        desk.order(at("1-01"), f"c{number}", price_total=50)
    with pytest.raises(ConfigError, match="nobody has bought twice"):
        predict(desk.connection, desk.settings, months=12)
