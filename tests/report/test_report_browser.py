"""The page in a real browser: Chromium without a window, from a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_bench import drawn
from small_company import fill

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium: apt-get install chromium-headless-shell"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(drawn(fill, "en").html, encoding="utf-8")
    return path.as_uri()


class Visit:
    """A page that is open, and all that went wrong on it."""

    def __init__(self, browser: playwright.Browser, address: str, **options: object) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda problem: self.problems.append(str(problem)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def shown(self, selector: str) -> int:
        """How many such elements can be seen."""
        return sum(each.is_visible() for each in self.page.locator(selector).all())


@pytest.fixture
def visit(browser: playwright.Browser, address: str) -> Iterator[Visit]:
    """On a desk."""
    found = Visit(browser, address, viewport={"width": 1280, "height": 900})
    yield found
    found.context.close()


def test_it_draws_without_an_error_and_asks_for_itself_alone(visit: Visit, address: str) -> None:
    assert visit.problems == []
    assert visit.requests == [address]
    for drawing in visit.page.locator("svg[role=img]").all():
        box = drawing.bounding_box()
        assert not drawing.is_visible() or (box and box["width"] > 100 and box["height"] > 30)
    assert visit.shown("svg[role=img]") >= 5


def test_a_link_to_the_line_of_a_stream_shows_why_records_of_it_were_refused(
    browser: playwright.Browser, address: str, visit: Visit
) -> None:
    assert visit.shown("#quality details table") == 0
    (line, *_) = visit.page.locator("#quality tr[id]").all()
    linked = Visit(browser, f"{address}#{line.get_attribute('id')}", viewport={"width": 1280, "height": 900})
    assert linked.shown("#quality details table") == 1
    assert linked.page.locator("tr:target").count() == 1
    assert linked.problems == []
    linked.context.close()


def test_colours_of_drawings_follow_the_theme(visit: Visit) -> None:
    line = visit.page.locator("svg.chart path[stroke='var(--accent)']").first
    colour = "each => getComputedStyle(each).stroke"
    light = line.evaluate(colour)
    visit.page.get_by_role("button", name="Light or dark").click()
    assert line.evaluate(colour) != light
    background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, background.removeprefix("rgb(").rstrip(")").split(","))) < 150
    assert visit.problems == []


def test_kpis_are_filtered_by_words_and_by_change(visit: Visit) -> None:
    everything = visit.shown(".kpis tbody tr")
    visit.page.get_by_label("Search").last.fill("PROMOTER")
    assert visit.shown(".kpis tbody tr") == 1
    assert visit.page.locator("#kpi-count").inner_text() == f"1 of {everything} shown"
    visit.page.get_by_label("Search").last.fill("")
    visit.page.locator("#kpi-verdict").select_option("worse")
    assert visit.shown(".kpis tbody tr") == 1
    visit.page.locator("#kpi-verdict").select_option("")
    assert visit.shown(".kpis tbody tr") == everything


def test_texts_are_filtered_by_mood_and_words(visit: Visit) -> None:
    assert visit.shown(".voice") == 5
    visit.page.locator("#voice-mood").select_option("bad")
    assert visit.shown(".voice") == 2
    visit.page.locator("#voice-search").fill("LATE")
    assert visit.shown(".voice") == 1
    assert visit.page.locator("#voice-count").inner_text() == "1 of 5 shown"


def test_a_mark_tells_its_value_to_who_points_at_it(visit: Visit) -> None:
    visit.page.locator("#reasons .wide [data-tip]").first.hover()
    assert visit.page.locator("#tip").inner_text().startswith("Late delivery: 20")


def test_the_keyboard_reaches_definitions_and_leaves_them(visit: Visit) -> None:
    term = visit.page.locator(".tile .term").first
    term.locator("button").focus()
    assert term.locator(".definition").is_visible()
    visit.page.keyboard.press("Escape")
    assert not term.locator(".definition").is_visible()
    visit.page.reload()
    visit.page.keyboard.press("Tab")
    assert visit.page.locator(".skip").is_visible()
    assert visit.page.evaluate("document.activeElement.className") == "skip"


@pytest.mark.parametrize("width", [320, 390, 820, 1280, 3840])
def test_nothing_is_wider_than_the_screen(browser: playwright.Browser, address: str, width: int) -> None:
    found = Visit(browser, address, viewport={"width": width, "height": 800})
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.shown("#journey svg") == 1
    found.context.close()


def test_without_javascript_all_of_it_is_there(browser: playwright.Browser, address: str) -> None:
    found = Visit(browser, address, java_script_enabled=False)
    assert found.shown(".tile") > 2
    assert found.shown("svg[role=img]") >= 5
    assert found.shown(".voice") == 5
    assert found.shown(".filters") + found.shown(".tools") == 0
    found.page.locator("#journey summary").click()
    assert found.page.locator("#journey table").is_visible()
    found.context.close()


def test_it_prints_without_its_controls(visit: Visit, tmp_path: Path) -> None:
    visit.page.emulate_media(media="print")
    assert visit.shown("nav") + visit.shown(".filters") + visit.shown(".tools") + visit.shown("summary") == 0
    assert visit.shown(".tile") > 2
    path = tmp_path / "report.pdf"
    visit.page.pdf(path=path, format="A4")
    assert path.read_bytes().startswith(b"%PDF")
