"""The page: sound, self-contained, accessible, harmless whatever the data hold, and right at the edges."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from html_page import Element, HtmlPage
from report_bench import Filling, contents_of, drawn
from small_company import MARCH, MARCH_TOUCHPOINTS, PUBLISHED, READ_UP_TO, SCRIPT, SECRETS, Company, at, fill

from cxflow.kpis.declared import KPIS
from cxflow.kpis.experience.paths import Path, Paths, Step
from cxflow.kpis.survey import nps
from cxflow.report import page
from cxflow.report.phrases import LANGUAGES
from cxflow.report.wording import Words
from cxflow.settings import Settings
from cxflow.warehouse.tables import survey_response

LARGEST_BYTES = 3_000_000


def empty(company: Company) -> None:
    """A warehouse that was made and never filled."""


def one_kpi_on_one_day(company: Company) -> None:
    answer = {
        "question_id": "q",
        "metric_type": "nps",
        "rating_value": 9,
        "worst_rating": 0,
        "best_rating": 10,
    }
    when = {"responded_at": at(MARCH, 9), "touchpoint_id": None}
    company.put(survey_response, ({**answer, **when, "response_id": company.id()} for _ in range(12)))
    company.read_up_to(shop=READ_UP_TO)
    company.compute("nps")


def of_this_month_alone(company: Company) -> None:
    """All that is loaded is of the day on which it was read."""
    company.touchpoints(4, 5, "called_support", "phone", reason="late_delivery")
    company.nps(4, 20, 0, 0)
    company.read_up_to(shop=at(4, 1, 18))
    company.compute("nps")


def of_cohorts(company: Company) -> None:
    """Forty first order in January, of whom twenty in February and all in March, with twenty more; April runs."""
    fill_cohorts(company, 40, 20, 60, 5)


def fill_cohorts(company: Company, *counts: int) -> None:
    """So many customers order in each month from January on, always the first ones."""
    company.settings = Settings.model_validate({"kpis": {"new_after_days": 0}})
    for month, count in enumerate(counts, start=1):
        company.orders(month, count)
    company.touchpoints(MARCH, 40, "called_support", "phone")
    company.read_up_to(shop=READ_UP_TO)
    company.compute("cohort_retention", "customer_lifetime_value", "touchpoints")


def long_and_many(company: Company) -> None:
    """Accents, labels without end, two hundred reasons, as many channels."""
    endless = "Reclamación por la devolución del artículo número siete de la campaña de otoño " * 4
    company.touchpoints(MARCH, 40, "called_support", "teléfono señal ñandú", reason=endless)
    for number in range(200):
        company.touchpoints(
            MARCH, 1 + number % 3, "called_support", f"canal{number}", reason=f"motivo nº {number}"
        )
    company.nps(MARCH, 30, 5, 5)
    company.review(MARCH, 3, 2, "Año" * 1000)
    company.read_up_to(shop=READ_UP_TO)
    company.compute("nps", "first_contact_resolution")


EDGES = (empty, one_kpi_on_one_day, of_this_month_alone, long_and_many, of_cohorts, fill)


@pytest.fixture(scope="module", params=EDGES, ids=lambda filling: filling.__name__)
def filling(request: pytest.FixtureRequest) -> Filling:
    """Each company."""
    found: Filling = request.param
    return found


@pytest.fixture(scope="module", params=LANGUAGES)
def any_page(request: pytest.FixtureRequest, filling: Filling) -> HtmlPage:
    """Its page in each language."""
    return drawn(filling, request.param)


def test_it_is_one_sound_document(any_page: HtmlPage) -> None:
    assert any_page.html.lower().startswith("<!doctype html>")
    root = any_page.root.one("html")
    assert root.attributes["lang"] in ("en", "es")
    assert [each.tag for each in root.children if isinstance(each, Element)] == ["head", "body"]
    assert any_page.root.one("title").text
    assert len(any_page.root.all("main")) == 1
    ids = [each.attributes["id"] for each in any_page.root.walk() if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "aria-describedby"):
        referred = [each.attributes[name] for each in any_page.root.walk() if name in each.attributes]
        assert set(referred) <= set(ids)
    links = [each.attributes["href"] for each in any_page.root.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(any_page.html.encode()) < LARGEST_BYTES


def test_headings_go_down_by_one(any_page: HtmlPage) -> None:
    levels = [int(each.tag[1]) for each in any_page.root.walk() if re.fullmatch("h[1-6]", each.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def _width(cell: Element) -> int:
    return int(cell.attributes.get("colspan", 1))


def test_tables_and_drawings_tell_what_they_are(any_page: HtmlPage) -> None:
    for table in any_page.root.all("table"):
        assert table.one("caption").text
        assert all(cell.attributes.get("scope") for cell in table.all("th"))
        widths = {sum(map(_width, row.all("th") + row.all("td"))) for row in table.all("tr")}
        assert len(widths) == 1
    for drawing in any_page.root.all("svg"):
        assert drawing.attributes.get("aria-hidden") == "true" or drawing.attributes["aria-label"]
    for control in any_page.root.all("select") + any_page.root.all("input"):
        assert control.parent is not None
        assert control.parent.tag == "label"
        assert control.parent.text


def test_it_asks_nothing_of_a_network(any_page: HtmlPage) -> None:
    loading = {"src", "srcset", "data", "action", "background", "poster", "xlink:href"}
    for each in any_page.root.walk():
        assert not loading & each.attributes.keys()
        assert each.tag not in ("link", "iframe", "object", "embed", "img", "base", "form")
        assert each.attributes.get("href", "#").startswith("#")
        assert not [name for name in each.attributes if name.startswith("on")]
    assert "url(" not in any_page.html
    assert "@import" not in any_page.html
    assert not re.findall(r"https?://(?!www\.w3\.org/)", any_page.html)


def test_its_policy_allows_its_own_style_and_script_alone(any_page: HtmlPage) -> None:
    policy = any_page.root.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        text = "".join(str(child) for child in any_page.root.one(tag).children)
        found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{found}'" in policy
    assert not [each for each in any_page.root.walk() if "style" in each.attributes]


def test_what_the_data_say_is_text(full_page: HtmlPage) -> None:
    assert SCRIPT not in full_page.html
    assert len(full_page.root.all("script")) == 1
    assert SCRIPT in full_page.section("voices").text
    assert SCRIPT in full_page.section("reasons").text
    assert SCRIPT in full_page.section("channels").text


def test_no_personal_datum_is_in_it(full_page: HtmlPage) -> None:
    assert [secret for secret in SECRETS if secret.lower() in full_page.html.lower()] == []
    voices = full_page.section("voices").text
    assert "[e-mail]" in voices
    assert "[number]" in voices
    assert "[name]" in voices


def test_texts_of_customers_can_be_left_out() -> None:
    found = HtmlPage(page.render(replace(contents_of(fill)["en"], verbatims=None)))
    assert "report.verbatims" in found.section("voices").text
    assert not found.root.all("blockquote")


def test_a_tile_shows_value_interval_observations_and_change(full_page: HtmlPage) -> None:
    tile = next(each for each in full_page.root.all("article") if "Net Promoter Score" in each.text)
    assert "20.0" in tile.text
    assert "n 120" in tile.text
    assert "better" in tile.text
    assert "(Feb 2026: −25.0)" in tile.text
    assert "May lack events: surveys" in tile.text
    assert tile.one("svg", role="img").attributes["aria-label"].startswith("Net Promoter Score, ")


def test_the_summary_tells_changes_and_what_did_not(full_page: HtmlPage) -> None:
    summary = full_page.section("summary")
    better = summary.one(class_="to-better").text
    assert "Net Promoter Score −25.0" in better
    assert "+45.0 (" in better
    assert "Average order value" in summary.one(class_="to-same").text
    # 15 contacts for 30 orders in February, 42 in March.
    assert summary.one(class_="to-worse").text.startswith("Worse Contact rate 50.00 → , 140.00 +90.00")


def test_every_kpi_is_in_the_table_or_among_the_missing(full_page: HtmlPage) -> None:
    told = full_page.section("kpis").text + full_page.section("missing").text
    assert [kpi.title for kpi in KPIS if kpi.title not in told] == []
    assert "too few to say: n 6, at least 10 needed" in full_page.section("kpis").text


def test_the_journey_has_its_numbers_in_a_table(full_page: HtmlPage) -> None:
    rows = {
        row.one("th").text: row.all("td")[0].text
        for row in full_page.section("journey").all("tr", class_="group")
    }
    assert rows == {
        "Awareness": "50",
        "Consideration": "7",
        "Purchase": "30",
        "Delivery": "0",
        "Service": "42",
        "Advocacy": "6",
    }
    assert str(MARCH_TOUCHPOINTS) in full_page.root.one("header").text
    # Three of the six reviews have five stars, one has three, and two have one or two.
    assert "50 %" in full_page.section("journey").text
    assert "touchpoints are not judged" not in full_page.section("missing").text


def test_cohorts_are_a_heat_map_that_is_a_table() -> None:
    page = drawn(of_cohorts, "en")
    retention, lifetime = page.root.one("section", id="cohorts").all("table")
    assert [each.text for each in retention.all("th", scope="col")] == ["First order", "n", "0", "1", "2"]
    january, march = retention.one("tbody").all("tr")
    size, *cells = january.all("td")
    assert [each.text for each in (size, *cells)] == ["40", "0 %", "50 %", "100 %"]
    assert [each.attributes["class"] for each in cells] == ["num heat0", "num heat3", "num heat5"]
    assert " to " in cells[1].attributes["title"]
    assert [each.text for each in march.all("td")] == ["20", "0 %", "", ""]
    # Of 40: 915 in January, 457 more in February, 915 in March. Of the twenty who are new in March: 459.
    january, march = lifetime.one("tbody").all("tr")
    assert [each.text for each in january.all("td")] == ["40", "23", "34", "57"]
    assert [each.text for each in march.all("td")] == ["20", "23", "", ""]
    assert "by months since the first order: see the cohorts" in page.root.one("section", id="kpis").text


def test_cohorts_of_whom_few_return_show_how_few() -> None:
    def of_few(company: Company) -> None:
        """Forty first order in January, of whom two in February and one in March; April runs."""
        fill_cohorts(company, 40, 2, 1, 5)

    (retention, _) = drawn(of_few, "en").root.one("section", id="cohorts").all("table")
    (january,) = retention.one("tbody").all("tr")
    assert [each.text for each in january.all("td")] == ["40", "0.0 %", "5.0 %", "2.5 %"]


def test_definitions_are_within_reach_of_pointer_keyboard_and_reader(full_page: HtmlPage) -> None:
    for term in full_page.root.all(class_="term"):
        tip = term.one(role="tooltip")
        assert term.one("button").attributes["aria-describedby"] == tip.attributes["id"]
        assert tip.text


def test_each_stream_has_a_line_that_airflow_links_to(full_page: HtmlPage) -> None:
    lines = [each for each in full_page.section("quality").all("tr") if "id" in each.attributes]
    assert [each.attributes["id"] for each in lines] == ["stream-shop.stream", "stream-surveys.stream"]


def test_the_quality_of_the_data_is_told(full_page: HtmlPage) -> None:
    told = full_page.section("quality").text
    assert "each of 260 source records read has one outcome" in told
    assert "7 records wait in quarantine" in told
    assert "The newest batch of surveys.stream was stopped" in told
    assert "surveys.stream is behind the others" in told
    assert "email_plausible" in told


def test_nothing_of_the_running_month_is_shown(full_page: HtmlPage) -> None:
    assert "This is of April" not in full_page.html
    assert "of_april" not in full_page.html.lower()
    assert "Of april" not in full_page.html


@pytest.mark.parametrize(
    ("filling", "sections", "words"),
    [
        (empty, {"quality", "method"}, "Todavía no se ha cargado nada."),
        (of_this_month_alone, {"quality", "method"}, "Todavía ningún periodo terminado tiene un valor."),
        (
            one_kpi_on_one_day,
            {"summary", "headlines", "kpis", "missing"},
            "El recorrido y sus canales: no hay",
        ),
        (long_and_many, {"headlines", "journey", "reasons", "voices"}, "189 motivos más"),
    ],
)
def test_each_edge_says_what_there_is_and_what_is_missing(
    filling: Callable[[Company], None], sections: set[str], words: str
) -> None:
    found = drawn(filling, "es")
    assert {name for name in sections if not found.has(name)} == set()
    assert words in found.root.one("body").text


@pytest.mark.parametrize("filling", [fill, of_cohorts], ids=lambda filling: filling.__name__)
def test_in_spanish_it_has_no_english_formula(filling: Filling) -> None:
    spanish = drawn(filling, "es")
    text = spanish.root.text
    shown = [each.definition.kpi for each in contents_of(filling)["es"].indicators]
    assert set(shown) <= {kpi.name for kpi in KPIS}
    for kpi in KPIS:
        assert kpi.formula not in text, kpi.name
        if kpi.name in shown:
            assert kpi.formula_es in text, kpi.name
        assert kpi.formula_es not in drawn(filling, "en").root.text, kpi.name
    # Only what customers said is in English, and says so.
    in_english = {each.tag for each in spanish.root.one("body").all(lang="en")}
    assert in_english <= {"blockquote"}


def test_what_a_plugin_says_in_english_alone_is_marked_as_such() -> None:
    found = contents_of(one_kpi_on_one_day)["es"]
    of_plugin = {"formula_worded": nps.formula, "interval_method": "a method of its own"}
    indicators = [
        replace(each, definition=replace(each.definition, **of_plugin)) for each in found.indicators
    ]
    html = HtmlPage(page.render(replace(found, indicators=indicators)))
    assert {each.text for each in html.root.all("span", lang="en")} == {f"{nps.formula}."}
    assert {each.text for each in html.root.all("i", lang="en")} == {"a method of its own"}


def test_why_a_kpi_has_no_value_is_told_in_the_language_of_the_page() -> None:
    indicator = contents_of(one_kpi_on_one_day)["es"].indicators[0]
    words = Words("es", "EUR", ZoneInfo("UTC"))
    for absence, told in (
        (f"nothing that it counts: {nps.formula}", f"nada de lo que cuenta: {nps.formula_es}"),
        ("no rows in review", "sin filas en review"),
        (
            "no target: set resolution_minutes in [kpis.sla]",
            "ningún objetivo: indique resolution_minutes en [kpis.sla]",
        ),
        (
            "nothing that it counts: orders with a time of delivery",
            "nada de lo que cuenta: pedidos con una fecha de entrega",
        ),
        ("a plugin's reason", "a plugin's reason"),
    ):
        assert words.why_absent(replace(indicator, absence=absence)) == told


def test_as_of_is_said() -> None:
    found = contents_of(fill)["en"]
    html = page.render(replace(found, edition=replace(found.edition, as_of=PUBLISHED)))
    assert "Values as published on 10 April 2026, 06:00" in html


def test_the_ways_are_lists_of_steps_and_rare_ones_are_only_counted() -> None:
    steps = (Step("opened_campaign", "email"), Step("visited_page", SCRIPT))
    ways = (
        Paths("complaint", 40, 35, (Path(steps, 20, 18, (3, 50)), Path((), 12, 12, ()))),
        Paths("leaving", 10, 10, (Path(steps, 10, 10, (0.5,)),)),
    )
    html = page.render(replace(contents_of(fill)["en"], ways=ways))
    assert SCRIPT not in html
    found = HtmlPage(html).section("ways").text.replace("\u00a0", " ")
    assert "Before a complaint 40 journeys of 35 customers." in found
    for told in ("Opened a campaign (E-mail) 3 h", "2 days", "nothing in the 30 days before", "30 min"):
        assert told in found
    assert "rarer paths, or of fewer than 10 customers 8 20 %" in found
    assert "fell silent" in found
