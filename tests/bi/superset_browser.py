"""The dashboard in a real Chromium: a picture of each tab, and the answer to each chart's query."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superset_server import PASSWORD, USER, Superset

_WAIT = 120_000


def tabs(superset: Superset, slug: str, pictures: Path) -> Mapping[str, Any]:
    """Open the dashboard, tab by tab. Returns each chart's answer by the chart's number; an answer that is no success
    is its text."""
    from playwright.sync_api import sync_playwright

    answers: dict[str, Any] = {}

    def note(response: Any) -> None:
        if "/api/v1/chart/data" in response.url:
            number = re.search(r"slice_id%22%3A(\d+)", response.url)
            answers[number[1] if number else response.url] = (
                response.json() if response.ok else response.text()[:1000]
            )

    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.on("response", note)
        page.set_default_timeout(_WAIT)
        page.goto(f"{superset.url}/login/")
        page.fill("input[type=text]", USER)
        page.fill("input[type=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("welcome"))
        page.goto(f"{superset.url}/superset/dashboard/{slug}/?standalone=1")
        names = page.get_by_role("tab")
        names.first.wait_for()
        for place in range(names.count()):
            names.nth(place).click()
            page.wait_for_timeout(1500)
            page.wait_for_load_state("networkidle")
            page.wait_for_function(
                "document.querySelectorAll('[data-test=loading-indicator], .loading').length === 0"
            )
            page.wait_for_timeout(1500)
            height = page.evaluate("document.querySelector('.dashboard-content').scrollHeight + 150")
            page.set_viewport_size({"width": 1440, "height": max(int(height), 600)})
            page.wait_for_timeout(2500)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=pictures / f"{place + 1}.png")
            page.set_viewport_size({"width": 1440, "height": 1000})
        browser.close()
    return answers
