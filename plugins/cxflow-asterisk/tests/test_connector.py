"""What the connector declares and checks."""

import importlib.metadata

import pytest
from conftest import Pbx
from cxflow import ConfigError, SourceError

import cxflow_asterisk
from cxflow_asterisk.connector import Asterisk


def test_the_plugin_brings_one_connector() -> None:
    assert cxflow_asterisk.cxflow_connectors() == [Asterisk]
    try:
        points = importlib.metadata.distribution("cxflow-asterisk").entry_points
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed, only on the path")
    assert [(point.group, point.name, point.value) for point in points] == [
        ("cxflow", "asterisk", "cxflow_asterisk")
    ]


def test_a_missing_log_is_told_with_what_to_do(pbx: Pbx) -> None:
    connector = pbx.connector()
    with pytest.raises(SourceError, match="there is no log queue_log") as problem:
        connector.check(connector.stream("queue_calls"))
    assert 'only = ["cdr"]' in str(problem.value)


def test_an_empty_log_and_one_just_rotated_are_there(pbx: Pbx) -> None:
    connector = pbx.connector()
    (pbx.folder / "queue_log").touch()
    connector.check(connector.stream("queue_calls"))
    (pbx.folder / "queue_log").unlink()
    pbx.write("1772360100|NONE|NONE|NONE|QUEUESTART|", to="queue_log.1")
    connector.check(connector.stream("queue_calls"))


def test_a_glob_that_finds_nothing_is_told(pbx: Pbx) -> None:
    pbx.streams = {"queue_calls": {"path": ["*/queue_log"]}}
    connector = pbx.connector()
    with pytest.raises(SourceError, match=r"\*/queue_log"):
        connector.check(connector.stream("queue_calls"))


@pytest.mark.parametrize("encoding", ["utf-9", "utf-16", "base64"])
def test_an_encoding_that_cannot_be_is_an_error_of_the_configuration(pbx: Pbx, encoding: str) -> None:
    pbx.streams = {"queue_calls": {"encoding": encoding}}
    with pytest.raises(ConfigError, match=f"'{encoding}' is not an encoding"):
        pbx.connector()


def test_every_personal_column_is_declared(pbx: Pbx) -> None:
    assert {"caller", "caller_number", "agent"} <= set(pbx.stream("queue_calls").pii)
    assert {"src", "dst", "clid", "customer_number"} <= set(pbx.stream("cdr").pii)
