"""What every declaration says for people: names and descriptions in two languages, and how many decimals to show."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from kpi_desk import BY_NAME, Desk
from sqlalchemy import select

from cxflow.cli.units import with_unit
from cxflow.kpis.declared import KPIS
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.survey import nps
from cxflow.warehouse.tables import kpi_definition

ENGLISH = {" the ", " of ", " is ", " and "}
"""Words that no Spanish sentence has."""


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_every_built_in_kpi_has_its_words_in_english_and_spanish(kpi: Kpi) -> None:
    for words in (kpi.title, kpi.title_es, kpi.description, kpi.description_es):
        assert words == words.strip()
        assert words
    for sentence in (kpi.description, kpi.description_es):
        assert sentence.endswith("."), sentence
        assert len(sentence) < 250
    for formula in (kpi.formula, kpi.formula_es):
        assert formula == formula.strip()
        assert formula
        assert not formula.endswith(".")  # those who show it add one
    for spanish in (kpi.description_es, kpi.formula_es):
        assert not any(word in spanish for word in ENGLISH), spanish
    assert kpi.description != kpi.description_es
    assert kpi.formula != kpi.formula_es
    # A Spanish formula names other KPIs as they are shown: «Tasa de contacto».
    titles = {each.title_es for each in KPIS}
    assert set(re.findall("«(.*?)»", kpi.formula_es)) <= titles
    assert not {each.name for each in KPIS if "_" in each.name} & set(re.findall(r"\w+", kpi.formula_es))


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_both_formulas_speak_of_the_same_settings_and_numbers(kpi: Kpi) -> None:
    names = {each.name for each in KPIS}
    english, spanish = (
        (
            set(re.findall(r"\w+_\w+|\[[\w.]+\]", text)) - names,
            sorted(re.findall(r"\d+(?:[.]\d+)?", text)),
            [text.count(operator) for operator in "÷×−"],
        )
        for text in (kpi.formula, kpi.formula_es.replace("0,1", "0.1").replace("3,5", "3.5"))
    )
    assert spanish == english


def test_no_two_kpis_have_one_title() -> None:
    for titles in ([kpi.title for kpi in KPIS], [kpi.title_es for kpi in KPIS]):
        assert sorted(titles) == sorted(set(titles))


def test_the_words_are_in_the_warehouse(desk: Desk) -> None:
    desk.compute("nps", "review_rating")
    t = kpi_definition.c
    formulas = desk.connection.execute(select(t.formula, t.formula_es).order_by(t.kpi)).all()
    assert formulas == [
        (kpi.formula, kpi.formula_es) for kpi in map(BY_NAME.get, ("nps", "review_rating")) if kpi
    ]
    rows = desk.connection.execute(
        select(t.kpi, t.title_es, t.description, t.description_es, t.decimals).order_by(t.kpi)
    ).all()
    assert [tuple(row) for row in rows] == [
        (name, kpi.title_es, kpi.description, kpi.description_es, decimals)
        for name, decimals in (("nps", 1), ("review_rating", 2))
        for kpi in [BY_NAME[name]]
    ]


def test_a_plugin_may_leave_out_spanish_and_description(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = replace(nps, name="plain", title_es="", description="", description_es="", formula_es="")
    monkeypatch.setitem(BY_NAME, "plain", plain)
    desk.compute("plain")
    row = desk.connection.execute(select(kpi_definition).where(kpi_definition.c.kpi == "plain")).one()
    assert (row.title_es, row.formula_es) == (nps.title, nps.formula)
    assert (row.description, row.description_es) == (nps.formula, nps.formula)


@pytest.mark.parametrize(
    ("kpi", "number", "shown"),
    [
        ("csat", 0.61549, "61.5 %"),
        ("nps", 20.04, "20.0"),
        ("ces", 5.128, "5.13"),
        ("average_speed_of_answer", 26.26, "26.3 s"),
        ("first_reply_minutes", 90, "90.0 min"),
        ("first_reply_minutes", 300, "5.0 h"),
        ("average_order_value", 1234.5, "1,234.50 EUR"),
        ("contact_rate", 37.5, "37.50 per 100 orders"),
    ],
)
def test_a_value_is_shown_with_its_unit_and_decimals(kpi: str, number: float, shown: str) -> None:
    assert with_unit(number, BY_NAME[kpi], "EUR") == shown


def test_decimals_are_declared(desk: Desk) -> None:
    assert with_unit(0.61549, replace(BY_NAME["csat"], decimals=0), "EUR") == "62 %"
    assert with_unit(0.61549, None, "EUR") == "0.62"
