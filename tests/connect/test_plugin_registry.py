"""Plugins: found by entry point or named by the project, told apart, blamed by name when broken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pluggy
import pytest

import cxflow
from cxflow import hookspecs
from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.errors import ConfigError
from cxflow.model.reading import Cursor, Reading
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import load

TICKETS = Stream(
    name="tickets",
    primary_key=("id",),
    to={"touchpoint": {"activity": "'contacted_support'", "channel": "'web'", "occurred_at": "opened"}},  # type: ignore[dict-item]
)


class Helpdesk(Connector):
    name: ClassVar[str] = "helpdesk"
    title: ClassVar[str] = "An invented help desk"
    declared: ClassVar[tuple[Stream, ...]] = (TICKETS, TICKETS.model_copy(update={"name": "calls"}))

    def read(self, stream: Stream, window: Window, cursor: Cursor | None) -> Reading:
        yield from ()
        return {}


class OtherHelpdesk(Helpdesk):
    distribution: ClassVar[str] = "cxflow-other"


class Nameless(Connector):
    def read(self, stream: Stream, window: Window, cursor: Cursor | None) -> Reading:
        yield from ()
        return {}


def _manager(*brought: object) -> pluggy.PluginManager:
    """Plugins that bring connectors, one each."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for number, connector in enumerate(brought):
        plugin = ModuleType(f"plugin_{number}")
        plugin.cxflow_connectors = hookspecs.hookimpl(_bring(connector))  # type: ignore[attr-defined]
        manager.register(plugin)
    return manager


def _bring(connector: object) -> Callable[[], list[object]]:
    def cxflow_connectors() -> list[object]:
        return [connector]

    return cxflow_connectors


def test_connectors_come_by_name_in_order() -> None:
    class Another(Helpdesk):
        name: ClassVar[str] = "another"

    assert registry.connectors(_manager(Helpdesk, Another)) == {"another": Another, "helpdesk": Helpdesk}
    assert list(registry.connectors(_manager(Helpdesk, Another))) == ["another", "helpdesk"]


def test_a_plugin_that_is_met_twice_is_one() -> None:
    assert registry.connectors(_manager(Helpdesk, Helpdesk)) == {"helpdesk": Helpdesk}


def test_two_plugins_of_one_connector_name_are_both_named() -> None:
    with pytest.raises(ConfigError) as caught:
        registry.connectors(_manager(OtherHelpdesk, Helpdesk))
    text = str(caught.value)
    assert "two plugins provide a connector 'helpdesk'" in text
    assert "cxflow-other" in text
    assert "cxflow-framework" in text
    assert caught.value.value == "helpdesk"


@pytest.mark.parametrize("names", [("helpdesk", "other"), ("other", "helpdesk")])
def test_the_plugin_of_a_connectors_name_is_taken_before_all_others(names: tuple[str, ...]) -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name in names:
        plugin = ModuleType(name)
        plugin.cxflow_connectors = hookspecs.hookimpl(  # type: ignore[attr-defined]
            _bring(Helpdesk if name == "helpdesk" else OtherHelpdesk)
        )
        manager.register(plugin, name)
    assert registry.connector(manager, "helpdesk") is Helpdesk


def test_a_connector_of_another_name_than_its_plugin_is_looked_for_in_all() -> None:
    assert registry.connector(_manager(Helpdesk), "helpdesk") is Helpdesk
    assert registry.connector(_manager(Helpdesk), "another") is None
    with pytest.raises(ConfigError, match="which is not a Connector class"):
        registry.connector(_manager(Helpdesk, dict), "another")


def test_two_plugins_of_one_kpi_name_are_an_error() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for number in range(2):
        plugin = ModuleType(f"kpis_{number}")
        brought = [SimpleNamespace(name="effort", title="Effort")]
        plugin.cxflow_kpis = hookspecs.hookimpl(_kpis(brought))  # type: ignore[attr-defined]
        manager.register(plugin)
    with pytest.raises(ConfigError, match="two plugins provide a KPI 'effort'"):
        registry.kpis(manager)


def _kpis(brought: list[SimpleNamespace]) -> Callable[[], list[SimpleNamespace]]:
    def cxflow_kpis() -> list[SimpleNamespace]:
        return brought

    return cxflow_kpis


def test_two_plugins_of_one_service_name_are_an_error() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for number in range(2):
        plugin = ModuleType(f"services_{number}")
        plugin.cxflow_services = hookspecs.hookimpl(_services(SimpleNamespace()))  # type: ignore[attr-defined]
        manager.register(plugin)
    with pytest.raises(ConfigError, match="two plugins provide a service 'desk'"):
        registry.services(manager)


def test_a_service_is_made_when_it_is_asked_for() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugin, made = ModuleType("desk"), SimpleNamespace()
    plugin.cxflow_services = hookspecs.hookimpl(_services(made))  # type: ignore[attr-defined]
    manager.register(plugin)
    found = registry.services(manager)
    assert list(found) == ["desk"]
    assert found["desk"](tickets=[1]) is made
    assert made.tickets == [1]


def _services(made: SimpleNamespace) -> Callable[[], dict[str, Callable[..., SimpleNamespace]]]:
    def make(**records: object) -> SimpleNamespace:
        vars(made).update(records)
        return made

    def cxflow_services() -> dict[str, Callable[..., SimpleNamespace]]:
        return {"desk": make}

    return cxflow_services


@pytest.mark.parametrize("brought", ["helpdesk", object(), dict])
def test_what_is_no_connector_class_is_refused(brought: object) -> None:
    with pytest.raises(ConfigError, match="is not a Connector class"):
        registry.connectors(_manager(brought))


def test_a_connector_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="connector Nameless of cxflow-framework has no name"):
        registry.connectors(_manager(Nameless))


def test_every_plugin_is_listed_with_its_version_and_hooks() -> None:
    infos = {info.name: info for info in registry.plugin_infos(registry.plugins())}
    files = infos["files"]
    assert files.distribution == "cxflow-framework"
    assert files.version
    assert files.hooks == ("cxflow_connectors",)
    assert infos["kpis"].hooks == ("cxflow_kpis",)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., cxflow.Settings]]:
    """A project with plugin modules of its own; it leaves no module and no path behind."""
    path, modules = list(sys.path), set(sys.modules)

    def write(plugins: list[str], connections: str = "", **files: str) -> cxflow.Settings:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        (tmp_path / "cxflow.toml").write_text(f"plugins = {plugins}\n{connections}", encoding="utf-8")
        return load(tmp_path)

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    registry.plugins.cache_clear()


WORKING = """
from cxflow import Connector, Stream, hookimpl

class Post(Connector):
    name = "invented_post"
    title = "An invented post office"
    declared = (
        Stream(name="parcels", primary_key=("id",), to={"delivery": {"delivery_id": "id"}}),
    )

    def read(self, stream, window, cursor, sink):
        return {}

@hookimpl
def cxflow_connectors():
    return [Post]
"""


def test_a_module_of_the_project_is_a_plugin(project: Callable[..., cxflow.Settings]) -> None:
    settings = project(
        ["own_post", "own_post"], '[connections.post]\nconnector = "invented_post"\n', own_post=WORKING
    )
    connector = registry.open_connection(settings, "post")
    assert connector.title == "An invented post office"
    assert list(connector.streams) == ["parcels"]
    infos = {info.name: info for info in registry.plugin_infos(registry.of_project(settings))}
    assert (infos["own_post"].distribution, infos["own_post"].version) == ("(this project)", "")


def test_a_built_in_plugin_may_be_named_again(project: Callable[..., cxflow.Settings]) -> None:
    settings = project(["cxflow.connect.files"])
    assert "files" in registry.connectors(registry.of_project(settings))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "from cxflow import hookimpl\n@hookimpl\ndef cxflow_connectors(settings): return []",
            "PluginValidationError.*settings",
        ),
    ],
)
def test_a_broken_module_of_the_project_is_named(
    project: Callable[..., cxflow.Settings], text: str, says: str
) -> None:
    settings = project(["own_broken"], own_broken=text)
    with pytest.raises(ConfigError, match=rf"(?s)the plugin module 'own_broken' cannot be loaded: {says}"):
        registry.of_project(settings)


def test_a_module_that_is_not_there_is_named(project: Callable[..., cxflow.Settings]) -> None:
    with pytest.raises(ConfigError, match="the plugin module 'nowhere' cannot be loaded"):
        registry.of_project(project(["nowhere"]))


def test_a_misspelt_hook_is_named_with_the_nearest(project: Callable[..., cxflow.Settings]) -> None:
    text = "from cxflow import hookimpl\n@hookimpl\ndef cxflow_conectors(): return []"
    with pytest.raises(ConfigError, match=r"(?s)cxflow_conectors.*did you mean 'cxflow_connectors'"):
        registry.of_project(project(["own_misspelt"], own_misspelt=text))


def test_commands_of_a_project_are_told_where_they_belong(project: Callable[..., cxflow.Settings]) -> None:
    text = "from cxflow import hookimpl\n@hookimpl\ndef cxflow_commands(): return []"
    with pytest.raises(ConfigError, match=r"'own_command' has the hook cxflow_commands.*'cxflow\.commands'"):
        registry.of_project(project(["own_command"], own_command=text))


def test_a_broken_installed_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cxflow_invented-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cxflow-invented\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cxflow]\ninvented = no_such_module_of_invented\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="the plugin 'invented' cannot be loaded: No module named"):
        registry.plugins.__wrapped__()


def _open(project: Callable[..., cxflow.Settings], monkeypatch: pytest.MonkeyPatch, table: str) -> Connector:
    monkeypatch.setattr(registry, "of_project", lambda _: _manager(Helpdesk))
    return registry.open_connection(project([], f"[connections.desk]\n{table}"), "desk")


def test_a_declared_stream_may_be_changed_field_by_field(
    project: Callable[..., cxflow.Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = _open(project, monkeypatch, 'connector = "helpdesk"\nstreams.tickets.look_back = "P2D"')
    assert connector.streams["tickets"].look_back.days == 2
    assert connector.streams["tickets"].primary_key == ("id",)
    assert connector.streams["calls"].look_back.days == 0


def test_only_the_named_streams_are_read_in_that_order(
    project: Callable[..., cxflow.Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = _open(project, monkeypatch, 'connector = "helpdesk"\nonly = ["calls", "tickets"]')
    assert list(connector.streams) == ["calls", "tickets"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (
            'connector = "helpdesc"',
            r"no connector 'helpdesc'; did you mean 'helpdesk'\? \(installed: helpdesk\)",
        ),
        ("timezone = 'UTC'", r"connections\.desk\.connector: this setting is required"),
        (
            'connector = "helpdesk"\nonly = ["tikets"]',
            r"only names the stream 'tikets'.*did you mean 'tickets'",
        ),
        (
            'connector = "helpdesk"\ntimezon = "UTC"',
            r"desk\.timezon: unknown setting; did you mean 'timezone'",
        ),
        (
            'connector = "helpdesk"\ntimezone = "Europe/Pariss"',
            r"desk\.timezone: .*did you mean 'Europe/Paris'",
        ),
        (
            'connector = "helpdesk"\ncountry = "Spain"',
            r"connections\.desk\.country: String should match pattern",
        ),
        (
            'connector = "helpdesk"\nstreams.tickets.look_bak = 1',
            r"desk\.streams\.tickets\.look_bak: unknown setting; did you mean 'look_back'",
        ),
        (
            'connector = "helpdesk"\nstreams.tickets.policies.new_colum = "stop"',
            r"tickets\.policies\.new_colum: unknown setting; did you mean 'new_column'",
        ),
        (
            'connector = "helpdesk"\nstreams.tickets.policies.new_column = "ignore"',
            r"tickets\.policies\.new_column: Input should be 'accept', 'quarantine' or 'stop'",
        ),
        (
            'connector = "helpdesk"\nstreams.tickets.expect = [{ table = "t", rule = "r", sq = "x" }]',
            r"tickets\.expect\.0\.sq: unknown setting; did you mean 'sql'",
        ),
        (
            'connector = "helpdesk"\nstreams.tickets.lag = -5',
            r"tickets\.lag: Input should be greater than or equal",
        ),
        ('connector = "helpdesk"\nstreams.tiket.lag = 5', r"no stream 'tiket'; did you mean 'tickets'"),
        (
            'connector = "helpdesk"\nstreams."a/b".lag = 5',
            r"connections\.desk\.streams: 'a/b' is not a valid name",
        ),
    ],
)
def test_a_wrong_connection_is_named_setting_by_setting(
    project: Callable[..., cxflow.Settings], monkeypatch: pytest.MonkeyPatch, table: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=f"(?s){says}") as caught:
        _open(project, monkeypatch, table)
    assert caught.value.connection == "desk"


def test_an_unknown_connection_or_stream_is_named_with_the_nearest(
    project: Callable[..., cxflow.Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = _open(project, monkeypatch, 'connector = "helpdesk"')
    with pytest.raises(ConfigError, match="no stream 'ticket'; did you mean 'tickets'"):
        connector.stream("ticket")
    with pytest.raises(ConfigError, match="no connection 'desc'; did you mean 'desk'"):
        registry.open_connection(connector.settings, "desc")


def test_a_connector_of_no_installed_distribution_says_so() -> None:
    assert OtherHelpdesk.version() == "not installed"


def test_the_face_gives_what_it_promises_and_nothing_else() -> None:
    found: dict[str, Any] = {name: getattr(cxflow, name) for name in cxflow.__all__}
    assert found["hookimpl"] is hookspecs.hookimpl
    assert dir(cxflow) == sorted(cxflow.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = cxflow.nothing
