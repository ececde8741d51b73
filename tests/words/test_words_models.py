"""What a model of a plugin may return, and what is told where it does not; and languages."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pluggy
import pyarrow as pa
import pytest

from cxflow import hookspecs
from cxflow.connect import registry
from cxflow.connect.registry import BroughtModel
from cxflow.errors import ConfigError, FatalError
from cxflow.model.text_model import Scores, Signal, TextModel, Texts
from cxflow.settings import Settings, Words
from cxflow.words import builtin, language, models

TEXTS = Texts(pa.array(["My name is Canary", "fine"]), pa.array(["en", None]))


def brought(signal: Signal, answer: object) -> BroughtModel:
    return BroughtModel(TextModel("mood", "1", signal, lambda _: answer), "acme")  # type: ignore[arg-type,return-value]


def floats(*numbers: float | None) -> pa.Array:
    return pa.array(numbers, pa.float64())


def words(*names: str | None) -> pa.Array:
    return pa.array(names, pa.string())


GOOD = {"number": floats(-1, None), "string": words("negative", None), "confidence": floats(1, None)}


@pytest.mark.parametrize(
    ("signal", "scores"),
    [
        ("sentiment", GOOD),
        ("sentiment", {**GOOD, "number": pa.array([-1, None], pa.int64())}),
        ("sentiment", {**GOOD, "string": pa.chunked_array([["negative"], [None]]).dictionary_encode()}),
        ("language", {"string": words("es-MX", None)}),
        ("topic", {"string": words("parcel", "x" * 64), "number": floats(7, 8)}),
        ("topic", {}),
    ],
)
def test_what_fits_is_taken(signal: Signal, scores: dict[str, Any]) -> None:
    table = models.score(brought(signal, Scores(**scores)), TEXTS)
    assert table.schema.names == ["number", "string", "confidence"]
    assert len(table) == 2
    if "string" in scores:
        assert table["string"].to_pylist() == scores["string"].to_pylist()


@pytest.mark.parametrize(
    ("signal", "answer", "message"),
    [
        ("sentiment", None, "returned NoneType, not cxflow.Scores"),
        ("sentiment", [1, 2], "returned list, not cxflow.Scores"),
        ("sentiment", Scores(number=[1, 2]), "returned list as number, not an Arrow array"),
        ("sentiment", Scores(number=floats(1)), "returned 1 values as number of 2 texts"),
        ("topic", Scores(string=words("a", "b", "c")), "returned 3 values as string of 2 texts"),
        ("sentiment", Scores(number=words("good", "bad")), "returned string as number, not double"),
        ("sentiment", Scores(number=pa.array([[1.0], [2.0]])), r"returned list<.*> as number, not double"),
        (
            "sentiment",
            Scores(**{**GOOD, "number": floats(-1.5, None)}),
            "a number outside −1…1 for 1 of 2 texts",
        ),
        ("sentiment", Scores(**{**GOOD, "number": floats(float("nan"), None)}), "a number outside −1…1"),
        (
            "sentiment",
            Scores(**{**GOOD, "confidence": floats(1.1, -0.1)}),
            "a confidence outside 0…1 for 2 of 2",
        ),
        ("sentiment", Scores(**{**GOOD, "confidence": floats(float("inf"), 0)}), "a confidence outside 0…1"),
        (
            "sentiment",
            Scores(**{**GOOD, "string": words("bad", None)}),
            "another word than negative, neutral, positive",
        ),
        (
            "sentiment",
            Scores(**{**GOOD, "string": words(None, None)}),
            "a number without its word, or a word alone",
        ),
        ("language", Scores(string=words("English", None)), "no language of BCP 47 for 1 of 2"),
        ("topic", Scores(string=words("x" * 65, "")), "a topic of over 64 characters for 1 of 2"),
        ("topic", Scores(string=words(" ", "a")), "a topic without a name for 1 of 2"),
    ],
)
def test_what_does_not_fit_is_told_with_the_plugin(signal: Signal, answer: object, message: str) -> None:
    with pytest.raises(FatalError, match=f"the model 'mood' of the plugin 'acme' .*{message}") as told:
        models.score(brought(signal, answer), TEXTS)
    assert "Canary" not in str(told.value)
    assert told.value.fix == f"correct the plugin, or set another model as words.{signal}"


def _nothing(_: Texts) -> Scores:
    return Scores()


def _manager(*hooks: Callable[..., Any]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(builtin, "words")
    for number, hook in enumerate(hooks):
        plugin = ModuleType(f"acme_{number}")
        plugin.cxflow_text_models = hookspecs.hookimpl(hook)  # type: ignore[attr-defined]
        manager.register(plugin, plugin.__name__)
    return manager


def test_models_come_by_the_hook_and_may_read_the_settings() -> None:
    def cxflow_text_models(settings: Settings) -> list[TextModel]:
        return [TextModel(f"mood_of_{settings.project.name}", "1", "sentiment", _nothing)]

    known = registry.text_models(_manager(cxflow_text_models), Settings())
    assert [(name, each.plugin) for name, each in known.items()] == [
        ("langid", "words"),
        ("lexicon", "words"),
        ("mood_of_cxflow", "acme_0"),
        ("rules", "words"),
    ]
    chosen = models.chosen(Words(sentiment="mood_of_cxflow"), known)
    assert [each.model.name for each in chosen] == ["langid", "mood_of_cxflow", "rules"]


def test_two_models_of_one_name_and_what_is_none_are_refused() -> None:
    def lexicon() -> list[TextModel]:
        return [TextModel("lexicon", "1", "sentiment", _nothing)]

    with pytest.raises(ConfigError, match="two plugins provide a model of texts 'lexicon'"):
        registry.text_models(_manager(lexicon), Settings())
    with pytest.raises(
        ConfigError, match="the plugin 'acme_0' provides 'mood' as a model of texts, which is none"
    ):
        registry.text_models(_manager(lambda: ["mood"]), Settings())
    odd = TextModel("odd", "1", "smell", _nothing)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="which is none"):
        registry.text_models(_manager(lambda: [odd]), Settings())


def test_a_model_that_is_not_there_is_told_with_the_nearest() -> None:
    known = registry.text_models(_manager(), Settings())
    with pytest.raises(
        ConfigError, match=r"words\.sentiment: there is no model 'lexicn' of this signal.*'lexicon'"
    ):
        models.chosen(Words(sentiment="lexicn"), known)
    with pytest.raises(ConfigError, match=r"words\.topic: there is no model 'langid' of this signal") as told:
        models.chosen(Words(topic="langid"), known)
    assert told.value.fix == "installed: rules"


def languages(*texts: str, known: tuple[str, ...] = ("en", "es", "pt")) -> list[str | None]:
    found = language.model(known).score(Texts(pa.array(texts), pa.nulls(len(texts), pa.string())))
    assert found.string is not None
    assert found.confidence is not None
    is_known = [name is not None for name in found.string.to_pylist()]
    assert [confidence is not None for confidence in found.confidence.to_pylist()] == is_known
    return list(found.string.to_pylist())


def test_languages_are_told_apart() -> None:
    assert languages(
        "El pedido llegó tarde y sin la factura.",
        "The order came late and without the invoice.",
        "O pedido chegou atrasado e sem a nota fiscal.",
        "GRACIAS POR TODO, VOLVERÉ PRONTO",
        "👍👍",
        "12345",
    ) == ["es", "en", "pt", "es", None, None]


def test_only_the_languages_of_the_project_are_told() -> None:
    french = "Le colis est arrivé en retard et la boîte était cassée."
    assert languages(french, known=("en", "es", "fr", "pt")) == ["fr"]
    assert languages(french) != ["fr"]
    with pytest.raises(ConfigError, match=r"words\.languages: 'xx' is no language that can be told"):
        languages("hello", known=("en", "xx"))


def test_the_version_of_languages_is_that_of_the_library_and_the_choice() -> None:
    assert language.model(["pt", "en"]).version == language.model(["en", "pt", "en"]).version
    assert language.model(["en"]).version != language.model(["en", "pt"]).version
