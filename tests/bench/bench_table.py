"""Measures cxflow against its peers, and writes `docs/benchmarks.md`.

    python bench_table.py [--only PART…] [--folder FOLDER]

Every figure stands beside that of a peer, or a limit, measured in the same run. What was measured is kept in the
folder, so that one part can be measured again; the page is made of what is there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import multiprocessing
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import measure
import records
from history import multiply
from page import write

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
MILLION = 1_000_000
PEERS = ("dlt[duckdb]==1.31.*", "pyarrow", "singer-sdk")
_QUESTIONS = (
    "SELECT count(*), max(occurred_at), sum(revenue_impact) FROM touchpoint",
    "SELECT count(*), sum(wait_seconds), sum(talk_seconds) FROM interaction",
    "SELECT count(DISTINCT source_record_id) FROM quarantine",
    "SELECT count(*), bit_xor(hash(source_record_id, customer_id)) FROM touchpoint JOIN customer USING (customer_id)",
    "SELECT count(*), bit_xor(hash(identity_hash, customer_id)) FROM customer_identity",
    "SELECT grain, period_start, dimension, dimension_value, n, round(CASE WHEN n >= 10 THEN value END, 6) "
    "FROM kpi_value WHERE kpi = 'nps' QUALIFY as_of = max(as_of) "
    "OVER (PARTITION BY grain, period_start, dimension, dimension_value) ORDER BY ALL",
)
HISTORIES = (1, 10)
"""Millions of records. With 50, which take half an hour, by hand: a warehouse of 12 GB."""
DAY = ("extract", "prepare", "load", "identity", "kpis", "publish")
"""The steps of a daily run."""
Parts = dict[str, Callable[["Bench"], Any]]


class Bench:
    """The folder that a run works in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def history(self, count: int, first: int = 0) -> Path:
        """The first delivery, made once."""
        path = self.folder / f"history-{count}-{first}.jsonl"
        if not path.exists():
            _apart(records.history, path, count, first)
        return path

    def project(self, name: str, *files: Path, url: str = "") -> Path:
        """An empty project that reads some files."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "exports").mkdir(parents=True)
        text = (HERE / "cxflow.toml").read_text(encoding="utf-8")
        text += f'\n[warehouse]\nurl = "{url}"\n' if url else ""
        (folder / "cxflow.toml").write_text(text, encoding="utf-8")
        for file in files:
            (folder / "exports" / file.name).symlink_to(file.resolve())
        return folder

    def cxflow(self, project: Path) -> measure.Measure:
        """`cxflow run`, as a user runs it."""
        return measure.run([Path(sys.executable).with_name("cxflow"), "run"], project)

    def by_hand(self, name: str, file: Path) -> measure.Measure:
        """The same trip by hand, into the same folder each time it is called by one name."""
        folder = self.folder / name
        (folder / "landing").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, HERE / "by_hand.py", folder / "warehouse.duckdb", folder / "landing", file]
        return measure.run(command, folder)

    def steps(self, project: Path, *steps: str) -> dict[str, float]:
        """Seconds of single steps, imports left out."""
        measure.run([sys.executable, HERE / "steps.py", project, *steps], project)
        return dict(json.loads((project / "output.log").read_text().splitlines()[-1]))


def _apart(work: Callable[..., Any], *arguments: Any) -> None:
    """Do what takes memory in a process of its own: a command's peak is never less than what its parent held when it
    started it. Raises SystemExit where it fails."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__} failed")


def trip(bench: Bench) -> dict[str, Any]:
    """The whole trip of 1 and 10 million records, alternating with the one by hand."""
    found = {}
    for count, repeats in ((MILLION, 3), (10 * MILLION, 1)):
        file = bench.history(count)
        ours, theirs = [], []
        for _ in range(repeats):
            shutil.rmtree(bench.folder / f"hand-{count}", ignore_errors=True)
            theirs.append(bench.by_hand(f"hand-{count}", file))
            project = bench.project(f"trip-{count}", file)
            ours.append(bench.cxflow(project))
        _apart(_agree, bench.folder / f"hand-{count}", bench.folder / f"trip-{count}")
        found[str(count)] = {
            "cxflow": measure.best(ours).as_json(),
            "by_hand": measure.best(theirs).as_json(),
            "ratios": [
                one.wall_seconds / other.wall_seconds for one, other in zip(ours, theirs, strict=True)
            ],
        }
    return found


def _agree(hand: Path, project: Path) -> None:
    """The trip by hand is the same trip: the same rows, refusals, customers and NPS. Raises SystemExit otherwise."""
    answers = []
    for folder in (hand, project):
        with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            answers.append([database.execute(question).fetchall() for question in _QUESTIONS])
    if answers[0] != answers[1]:
        raise SystemExit("the trip by hand comes to other answers")


def days(bench: Bench) -> dict[str, Any]:
    """The second day on 1 and 10 million records of history, step by step; on one million, by hand, too."""
    first = 50 * MILLION
    file = bench.folder / "second-day.jsonl"
    _apart(records.second_day, file, MILLION, first)
    theirs = []
    for _ in range(3):
        shutil.rmtree(bench.folder / "days-hand", ignore_errors=True)
        bench.by_hand("days-hand", bench.history(MILLION, first))
        theirs.append(bench.by_hand("days-hand", file))
    found: dict[str, Any] = {"by_hand": measure.best(theirs).as_json()}
    for times in HISTORIES:
        project = bench.project(f"days-{times}", bench.history(MILLION, first))
        bench.cxflow(project)
        if times > 1:
            _apart(multiply, project, MILLION, times)
        (project / "exports" / file.name).symlink_to(file.resolve())
        size = (project / "warehouse.duckdb").stat().st_size
        if times == 1:
            eve = shutil.copytree(project, bench.folder / "days-eve", symlinks=True)
            bench.cxflow(project)
            _apart(_agree, bench.folder / "days-hand", project)
            shutil.rmtree(project)
            eve.rename(project)
        command = [sys.executable, HERE / "steps.py", project, *DAY]
        taken = measure.run(command, project)
        steps = json.loads((project / "output.log").read_text().splitlines()[-1])
        found[str(times * MILLION)] = {**taken.as_json(), "steps": steps, "warehouse_bytes": size}
        shutil.rmtree(project)
    return found


def _peers(bench: Bench) -> Path:
    """The Python of an environment with the peers, made once."""
    python = bench.folder / "peers" / "bin" / "python"
    if not python.exists():
        measure.run([sys.executable, "-m", "venv", bench.folder / "peers"], bench.folder)
        constraints = HERE.parents[1] / "constraints.txt"
        install = ["-m", "pip", "install", "--quiet", "--constraint", constraints, *PEERS]
        measure.run([python, *install], bench.folder)
    return python


def http(bench: Bench) -> dict[str, Any]:
    """A pull of a million contacts over HTTP into the landing zone, against a bare loop that keeps nothing, and of a
    tenth of them against dlt's client and the Singer SDK."""
    program, python = HERE / "http_pull.py", _peers(bench)
    found: dict[str, Any] = {}
    for count, kinds in (
        (MILLION, ("bare", "cxflow", "dlt")),
        (MILLION // 10, ("bare", "cxflow", "dlt", "singer")),
    ):
        file = bench.folder / f"port-{count}"
        file.unlink(missing_ok=True)
        service = subprocess.Popen([sys.executable, program, "serve", bench.history(count), file])
        try:
            while not file.exists() or not file.read_text():
                if service.poll() is not None:
                    raise SystemExit("the service did not start")
                time.sleep(0.1)
            url = f"http://127.0.0.1:{file.read_text()}"
            runs: dict[str, list[measure.Measure]] = {kind: [] for kind in kinds}
            for _ in range(3):
                for kind in kinds:
                    folder = bench.folder / "http"
                    shutil.rmtree(folder, ignore_errors=True)
                    runner = python if kind in ("dlt", "singer") else Path(sys.executable)
                    command = [
                        runner,
                        program,
                        kind,
                        url,
                        *([folder / "project"] if kind == "cxflow" else []),
                    ]
                    folder.mkdir()
                    if kind == "cxflow":
                        make = [runner, program, "project", url, folder / "project"]
                        measure.run(make, folder, PYTHONPATH=str(HERE))
                    runs[kind].append(measure.run(command, folder, PYTHONPATH=str(HERE)))
            found[str(count)] = {kind: measure.best(each).as_json() for kind, each in runs.items()}
        finally:
            service.terminate()
            service.wait()
    return found


def dlt(bench: Bench) -> dict[str, Any]:
    """Loading alone with dlt, by records (a tenth of a million) and by Arrow, against the whole trip."""
    python = _peers(bench)
    found: dict[str, Any] = {"records": {}, "arrow": {}, "cxflow": {}}
    for how, count in (("records", MILLION // 10), ("arrow", MILLION), ("arrow", 10 * MILLION)):
        folder = bench.folder / f"dlt-{how}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command = [python, HERE / "peer_dlt.py", how, bench.history(count), folder]
        found[how][count] = measure.run(command, folder, RUNTIME__DLTHUB_TELEMETRY="false").as_json()
        shutil.rmtree(folder)
    for count in (MILLION, 10 * MILLION):
        found["cxflow"][count] = bench.cxflow(bench.project("dlt-cxflow", bench.history(count))).as_json()
    return found


def postgresql(bench: Bench) -> dict[str, Any]:
    """A prepared million into PostgreSQL, against Arrow into staging tables and one MERGE for each table."""
    from postgresql_server import server

    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=bench.folder) as data,
        server(Path(data) / "data") as started,
    ):
        for name in ("ours", "theirs", "profiled"):
            with _postgres(started.get_uri()) as connection:
                connection.execute(f"CREATE DATABASE {name}")
        project = bench.project("postgresql", bench.history(MILLION), url=started.get_uri(database="ours"))
        bench.steps(project, "extract", "prepare")
        (prepared,) = project.glob("landing/*/*/*/prepared/batch.duckdb")
        batch = shutil.copy(prepared, bench.folder / "batch.duckdb")
        ours = measure.run([sys.executable, HERE / "steps.py", project, "load"], project)
        url = started.get_uri(database="theirs")
        theirs = measure.run([sys.executable, HERE / "by_hand_postgresql.py", url, batch], bench.folder)
        project = bench.project(
            "postgresql", bench.history(MILLION), url=started.get_uri(database="profiled")
        )
        bench.steps(project, "extract", "prepare")
        profiled = bench.steps(project, "statements", "load")
        return {"cxflow": ours.as_json(), "by_hand": theirs.as_json(), "statements": profiled}


def _postgres(url: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True)


def identity(bench: Bench) -> dict[str, Any]:
    """Identity over 1.4 million identifiers, on both databases, and by statement on the server."""
    return _on_both(bench, lambda project: bench.steps(project, "statements", "identity"))


def kpis(bench: Bench) -> dict[str, Any]:
    """All KPIs over ten million touchpoints, on both databases."""

    def computed(project: Path) -> dict[str, float]:
        bench.steps(project, "identity")
        _apart(multiply, project, MILLION, 10)
        return bench.steps(project, "all_kpis")

    return _on_both(bench, computed)


def _on_both(bench: Bench, measured: Callable[[Path], dict[str, float]]) -> dict[str, Any]:
    """Seconds of what is done with a project whose million records are loaded, on each database."""
    from postgresql_server import server

    found: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=bench.folder) as data,
        server(Path(data) / "data") as started,
    ):
        for engine, url in (("duckdb", ""), ("postgresql", started.get_uri())):
            project = bench.project(f"both-{engine}", bench.history(MILLION, 10 * MILLION), url=url)
            taken = bench.steps(project, "extract", "prepare", "load")
            found[engine] = {**taken, **measured(project)}
            shutil.rmtree(project)
    return found


def profile(bench: Bench) -> dict[str, Any]:
    """Where the time of a million records goes, step by step."""
    runs = []
    for _ in range(3):
        project = bench.project("profile", bench.history(MILLION))
        runs.append(bench.steps(project, "extract", "expectations", "prepare", "load", "identity", "kpis"))
    return {step: statistics.median(run[step] for run in runs) for step in runs[0]}


def witness(bench: Bench) -> dict[str, Any]:
    """What the independent count of a million records costs of their extraction, by format."""
    measure.run([sys.executable, HERE / "witness.py", str(MILLION)], bench.folder)
    return dict(json.loads((bench.folder / "output.log").read_text().splitlines()[-1]))


PARTS: Parts = {
    part.__name__: part for part in (trip, profile, days, http, dlt, postgresql, identity, kpis, witness)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "cxflow-bench")
    asked = parser.parse_args()
    bench = Bench(asked.folder)
    kept = bench.folder / "measured.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    names = ("cxflow-framework", "duckdb", "great-expectations", "sqlalchemy", "pyarrow", "psycopg", "pgpq")
    found["machine"] = measure.machine({name: importlib.metadata.version(name) for name in names})
    for name in asked.only:
        print(f"measuring {name}: {(PARTS[name].__doc__ or '').splitlines()[0]}", flush=True)
        found[name] = json.loads(json.dumps(PARTS[name](bench)))
        kept.write_text(json.dumps(found, indent=1))
        print(json.dumps(found[name]), flush=True)
    write(found)


if __name__ == "__main__":
    main()
