"""`cxflow lint` about templates: a fault is one of the stream that has it, and one that no stream uses is told."""

from __future__ import annotations

from pathlib import Path

from cli_runner import cxflow

TOML = """
[templates.visits]
primary_key = ["id"]
[templates.visits.to.touchpoint]
activity = "'visited_place'"
channel = "'shop'"
occurred_at = "day"
[templates.old]
delimiter = ";"
[connections.shop]
connector = "files"
timezone = "UTC"
[connections.shop.streams.north]
template = "visits"
path = "north.csv"
[connections.shop.streams.south]
template = "{name}"
path = "south.csv"
to.touchpoint.occurred_at = "{column}"
"""


def project(folder: Path, name: str = "visits", column: str = "date") -> Path:
    (folder / "cxflow.toml").write_text(TOML.format(name=name, column=column))
    (folder / "north.csv").write_text("id,day\n1,2026-03-01\n")
    (folder / "south.csv").write_text("id,date\n1,2026-03-01\n")
    return folder


def test_lint_tells_a_template_that_no_stream_uses(tmp_path: Path) -> None:
    answer = cxflow("lint", "--json", project=project(tmp_path))
    assert (answer.code, answer.json["checked"]) == (0, ["shop.north", "shop.south"])
    assert answer.json["unused_templates"] == ["old"]
    assert "templates.old: no stream uses it" in cxflow("lint", project=tmp_path).out


def test_lint_names_the_stream_whose_template_is_not_there(tmp_path: Path) -> None:
    answer = cxflow("lint", project=project(tmp_path, name="visit"))
    assert answer.code == 78
    assert "shop.south: connections.shop.streams.south.template: there is no template 'visit'" in answer.err
    assert "did you mean 'visits'" in answer.err
    assert "shop.north:" not in answer.err


def test_lint_names_the_stream_whose_file_lacks_a_column_of_the_template(tmp_path: Path) -> None:
    answer = cxflow("lint", project=project(tmp_path, column="dya"))
    assert answer.code == 78
    assert "shop.south: touchpoint.occurred_at: 'dya' names the raw column 'dya'" in answer.err
    assert "✓ shop.north" in answer.out
