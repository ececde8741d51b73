"""Streams that differ in little share a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxflow.connect import registry, templates
from cxflow.connect.connector import Connector
from cxflow.errors import ConfigError
from cxflow.settings import FILE_NAME, Settings, load
from cxflow.testing.project import as_toml

REVIEWS: dict[str, Any] = {
    "primary_key": ["id", "shop"],
    "delimiter": ";",
    "policies": {"new_column": "stop", "missing_column": "accept"},
    "to": {
        "touchpoint": [{"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "at"}],
        "review": {"review_id": "id", "rating_value": "score", "date_published": "at"},
    },
}


def project(folder: Path, streams: dict[str, Any], **more: Any) -> Settings:
    tree = {"connections": {"shop": {"connector": "files", "streams": streams}}, **more}
    (folder / FILE_NAME).write_text(as_toml(tree), encoding="utf-8")
    return load(folder)


def opened(folder: Path, own: dict[str, Any], **more: Any) -> Connector:
    streams = {"north": {"template": "reviews", "path": "north.csv", **own}}
    return registry.open_connection(
        project(folder, streams, **{"templates": {"reviews": REVIEWS}, **more}), "shop"
    )


def test_a_stream_has_the_settings_of_its_template(tmp_path: Path) -> None:
    stream = opened(tmp_path, {}).stream("north")
    assert (stream.name, stream.path, stream.delimiter) == ("north", "north.csv", ";")
    assert stream.primary_key == ("id", "shop")
    assert stream.to["review"][0].columns == REVIEWS["to"]["review"]


def test_it_is_the_stream_that_would_be_written_out(tmp_path: Path) -> None:
    by_template = opened(tmp_path, {}).stream("north")
    written = project(tmp_path, {"north": {**REVIEWS, "path": "north.csv"}})
    assert by_template == registry.open_connection(written, "shop").stream("north")


def test_tables_are_merged_and_everything_else_is_replaced(tmp_path: Path) -> None:
    own = {
        "primary_key": ["id"],
        "delimiter": ",",
        "policies": {"new_column": "accept"},
        "to": {
            "touchpoint": [{"activity": "'wrote_review'", "channel": "'app'", "occurred_at": "at"}],
            "review": {"rating_value": "stars * 2", "best_rating": "10"},
        },
    }
    stream = opened(tmp_path, own).stream("north")
    assert (stream.primary_key, stream.delimiter) == (("id",), ",")
    assert (stream.policies.new_column, stream.policies.missing_column) == ("accept", "accept")
    assert [each.columns["channel"] for each in stream.to["touchpoint"]] == ["'app'"]
    assert stream.to["review"][0].columns == {
        "review_id": "id",
        "rating_value": "stars * 2",
        "best_rating": "10",
        "date_published": "at",
    }


def test_a_stream_changes_nothing_of_another_one(tmp_path: Path) -> None:
    streams = {
        "north": {"template": "reviews", "path": "north.csv", "to": {"review": {"rating_value": "stars"}}},
        "south": {"template": "reviews", "path": "south.csv"},
    }
    found = registry.open_connection(project(tmp_path, streams, templates={"reviews": REVIEWS}), "shop")
    ratings = {name: each.to["review"][0].columns["rating_value"] for name, each in found.streams.items()}
    assert ratings == {"north": "stars", "south": "score"}


def test_a_template_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no template 'review'; did you mean 'reviews'") as caught:
        opened(tmp_path, {"template": "review"})
    assert (caught.value.connection, caught.value.stream) == ("shop", "north")


def test_a_fault_of_a_template_is_told_with_the_stream_and_the_template(tmp_path: Path) -> None:
    template = {**REVIEWS, "delimitter": ";"}
    with pytest.raises(
        ConfigError, match=r"shop.streams.north.delimitter: unknown setting.*delimiter"
    ) as caught:
        opened(tmp_path, {}, templates={"reviews": template})
    assert "templates.reviews" in caught.value.message
    assert caught.value.stream == "north"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("template", "a template has no template itself"),
        ("name", "unknown setting; a stream's name is its table's"),
    ],
)
def test_what_no_template_may_say_is_refused_at_once(tmp_path: Path, key: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)templates.*reviews\.{key}: {why}"):
        opened(tmp_path, {}, templates={"reviews": {**REVIEWS, key: "reviews"}})


def test_only_who_uses_a_template_needs_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARK", raising=False)
    both = {"reviews": REVIEWS, "marked": {**REVIEWS, "delimiter": "${MARK}"}}
    assert opened(tmp_path, {}, templates=both).stream("north").delimiter == ";"
    with pytest.raises(
        ConfigError, match=r"templates.marked.delimiter: the environment variable MARK is not set"
    ):
        opened(tmp_path, {"template": "marked"}, templates=both)
    monkeypatch.setenv("MARK", "|")
    assert opened(tmp_path, {"template": "marked"}, templates=both).stream("north").delimiter == "|"


def test_a_secret_is_not_written_in_a_template_either(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"templates.reviews.api_token: a secret is not written here"):
        opened(tmp_path, {}, templates={"reviews": {**REVIEWS, "api_token": "hunter2"}})


def test_a_template_named_like_a_secret_is_none(tmp_path: Path) -> None:
    assert (
        opened(tmp_path, {"template": "token"}, templates={"token": REVIEWS}).stream("north").delimiter == ";"
    )


def test_templates_that_no_stream_names_are_found(tmp_path: Path) -> None:
    streams = {"north": {"template": "used", "path": "a.csv"}}
    settings = project(tmp_path, streams, templates={"used": REVIEWS, "old": REVIEWS})
    assert templates.unused(settings) == ["old"]
