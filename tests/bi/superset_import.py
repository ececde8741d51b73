"""Imports the bundle into a real Superset, asks it for every chart, compares its KPIs with the published values, and
takes pictures of the dashboard. Run by `make bi`; Superset gets an environment of its own.

    python tests/bi/superset_import.py PROJECT PICTURES
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

# Superset 6.1 does not work with flask-caching 2.5, and does not install the last three, which it imports.
PACKAGES = (
    "apache-superset==6.1.0",
    "flask-caching<2.4",
    "duckdb-engine==0.17.0",
    "rich",
    "pillow",
    "cachetools",
)
TABS = ("Overview", "Journey", "Service", "Shop", "Quality")
USER = "admin"
CONFIG = """
SECRET_KEY = "of this test alone"
SQLALCHEMY_DATABASE_URI = "sqlite:///{home}/superset.db"
TALISMAN_ENABLED = False
WTF_CSRF_ENABLED = False
# A file of this machine: Superset refuses them unless told otherwise.
PREVENT_UNSAFE_DB_CONNECTIONS = False
"""


def asked_by(params: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """What a chart's settings ask for: columns, the axis before the others; metrics; conditions in SQL."""
    axis = [params["x_axis"]] if params.get("x_axis") else []
    columns = [*axis, *params.get("groupby", ()), *params.get("all_columns", ())]
    metrics = params.get("metrics", [params["metric"]] if "metric" in params else [])
    conditions = [each["sqlExpression"] for each in params["adhoc_filters"] if "sqlExpression" in each]
    return columns, metrics, conditions


class Superset:
    """A Superset in a folder, with a user who may do everything."""

    def __init__(self, home: Path) -> None:
        self._home, self._bin = home, home / "venv" / "bin"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        (home / "superset_config.py").write_text(CONFIG.format(home=home))
        places = {"SUPERSET_CONFIG_PATH": str(home / "superset_config.py"), "SUPERSET_HOME": str(home)}
        self._environment = {**os.environ, **places, "FLASK_APP": "superset"}
        self._token = ""

    def install(self) -> None:
        """Make the environment, and Superset's own database."""
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", str(self._home / "venv")], check=True)
        python = str(self._bin / "python")
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
        self._do("db", "upgrade")
        names = ("--username", USER, "--firstname", USER, "--lastname", USER, "--email", "admin@example.org")
        self._do("fab", "create-admin", *names, "--password", USER)
        self._do("init")

    def import_bundle(self, bundle: Path) -> None:
        """Import it as a person would under Dashboards."""
        self._do("import-dashboards", "--path", str(bundle), "--username", USER)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The server, for the block."""
        port = self.url.rpartition(":")[2]
        command = [str(self._bin / "superset"), "run", "-h", "127.0.0.1", "-p", port]
        with (self._home / "server.log").open("wb") as log:
            server = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        try:
            self._wait()
            login = {"username": USER, "password": USER, "provider": "db"}
            self._token = self.ask("/api/v1/security/login", login)["access_token"]
            yield
        finally:
            server.terminate()
            server.wait(30)

    def ask(self, path: str, body: Any = None) -> Any:
        """The answer of its API."""
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def rows(self, chart: dict[str, Any]) -> list[dict[str, Any]]:
        """What a chart shows."""
        params = json.loads(self.ask(f"/api/v1/chart/{chart['id']}")["result"]["params"])
        by, metrics, conditions = asked_by(params)
        columns: list[Any] = list(by)
        if grain := params.get("time_grain_sqla"):
            of_time = {"columnType": "BASE_AXIS", "expressionType": "SQL", "timeGrain": grain}
            columns[0] = {**of_time, "sqlExpression": by[0], "label": by[0]}
        query = {"columns": columns, "row_limit": 10_000, "extras": {"where": " AND ".join(conditions)}}
        return self.query(chart["datasource_id"], query | ({"metrics": metrics} if metrics else {}))

    def query(self, dataset: int, query: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query of a dataset."""
        asked = {"datasource": {"id": dataset, "type": "table"}, "queries": [query], "result_format": "json"}
        [result] = self.ask("/api/v1/chart/data", asked)["result"]
        found: list[dict[str, Any]] = result["data"]
        return found

    def _do(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / "superset"), *arguments], env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"superset {arguments[0]}: {done.stderr[-3000:]}")

    def _wait(self) -> None:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5)
            except (urllib.error.URLError, ConnectionError):
                time.sleep(1)
            else:
                return
        sys.exit("Superset does not answer")


def compare(superset: Superset, charts: list[dict[str, Any]], project: Path) -> int:
    """Compare every metric of a KPI over all days with the published value; returns how many there are."""
    dataset = next(each["datasource_id"] for each in charts if each["slice_name"] == "Net Promoter Score")
    metrics = superset.ask(f"/api/v1/dataset/{dataset}")["result"]["metrics"]
    names = [each["metric_name"] for each in metrics if "CASE WHEN kpi" in each["expression"]]
    [found] = superset.query(dataset, {"columns": [], "metrics": names, "row_limit": 1})
    with duckdb.connect(project / "warehouse.marts.duckdb", read_only=True) as snapshot:
        published = dict(
            snapshot.execute(
                "SELECT kpi, value FROM mart_kpi WHERE grain = 'all' AND dimension = '' AND value IS NOT NULL"
            ).fetchall()
        )
    differing = {
        name: (found[name], published[name])
        for name in names
        if name in published and abs(found[name] - published[name]) > 1e-9 * max(1, abs(published[name]))
    }
    if differing:
        sys.exit(f"Superset's values are others than the published: {differing}")
    return len(set(names) & set(published))


def look(url: str, pictures: Path) -> None:
    """Take a picture of each tab."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium-headless-shell"),
            args=["--no-sandbox"],
        )
        page = browser.new_page(viewport={"width": 1500, "height": 1150})
        page.goto(f"{url}/login/")
        page.wait_for_timeout(4_000)
        page.fill("input[name=username], #username", USER)
        page.fill("input[name=password], #password", USER)
        page.keyboard.press("Enter")
        page.wait_for_timeout(5_000)
        dashboard = page.request.get(f"{url}/api/v1/dashboard/").json()["result"][0]["id"]
        page.goto(f"{url}/superset/dashboard/{dashboard}/")
        page.wait_for_timeout(15_000)
        for tab in TABS:
            page.get_by_role("tab", name=tab).first.click()
            page.wait_for_timeout(8_000)
            page.screenshot(path=pictures / f"superset-{tab.lower()}.png")
        browser.close()


def main() -> None:
    """Import, ask, compare, look."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("project", type=Path)
    asked.add_argument("pictures", type=Path)
    given = asked.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bundle = home / "bundle.zip"
        write = ["cxflow", "bi", "superset", "--output", str(bundle), "--project", str(given.project)]
        subprocess.run([str(Path(sys.executable).parent / write[0]), *write[1:]], check=True)
        superset = Superset(home)
        superset.install()
        for _ in range(2):  # the second one replaces what the first one made
            superset.import_bundle(bundle)
        with superset.running():
            query = urllib.parse.quote("(page_size:100)")
            charts = superset.ask(f"/api/v1/chart/?q={query}")["result"]
            for chart in charts:
                print(f"{len(superset.rows(chart)):6} rows  {chart['slice_name']}")
            print(f"{len(charts)} charts; {compare(superset, charts, given.project)} KPIs as published")
            look(superset.url, given.pictures)


if __name__ == "__main__":
    main()
