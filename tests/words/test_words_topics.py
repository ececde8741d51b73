"""Topics: the terms of a project and cxflow's own, and how they are found in texts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from cxflow.errors import ConfigError
from cxflow.model.text_model import Texts
from cxflow.settings import Words
from cxflow.words import topics
from cxflow.words.terms import NONE, PART, Terms, normal
from cxflow.words.tokens import split

READ_BY_A_PERSON = {
    "¿Dónde está mi paquete? La entrega era ayer.": "delivery",
    "Quiero la devolución del dinero, no me hacen el reembolso.": "return_refund",
    "La factura trae un cobro que no reconozco.": "billing",
    "Mi tarjeta no pasa al pagar.": "payment",
    "El producto llegó roto, muy mala calidad.": "product_quality",
    "El asesor fue muy grosero.": "staff",
    "Olvidé mi contraseña y no puedo iniciar sesión.": "account_access",
    "La aplicación da error y se cierra.": "technical_problem",
    "Quiero cancelar el contrato.": "cancellation",
    "Me enviaron otro color, el pedido está incompleto.": "wrong_item",
    "Where is my parcel? Tracking says nothing.": "delivery",
    "I was charged twice, please correct the invoice.": "billing",
    "The zip is broken and the quality is poor.": "product_quality",
    "I have been on hold and waiting for an hour.": "waiting_time",
    "The website crashes with an error.": "technical_problem",
    "It is sold out, when is it in stock?": "availability",
    "I cannot log in, the password is refused.": "account_access",
    "The seats were dirty and the toilet was worse.": "place",
    "Far too expensive for what it is.": "price",
    "Minha encomenda não chegou.": "delivery",
    "Xyz": None,
}


def found(texts: list[str], **words: Any) -> list[tuple[str | None, float | None]]:
    model = topics.model(topics.of_project(Words(**words)))
    scores = model.score(Texts(pa.array(texts, pa.string()), pa.nulls(len(texts), pa.string())))
    assert scores.string is not None
    assert scores.confidence is not None
    return list(zip(scores.string.to_pylist(), scores.confidence.to_pylist(), strict=True))


def test_contact_reasons_are_told_as_a_person_does() -> None:
    told = [topic for topic, _ in found(list(READ_BY_A_PERSON))]
    wrong = {
        text: topic
        for (text, person), topic in zip(READ_BY_A_PERSON.items(), told, strict=True)
        if topic != person
    }
    assert wrong == {}


def test_the_topic_with_most_terms_wins_and_of_equals_the_first_in_the_text() -> None:
    own = {"usual_topics": False, "topics": {"cats": ["cat", "kitten*"], "dogs": ["dog", "puppy"]}}
    assert found(["a dog and two kittens and a cat", "cat, dog", "dog, cat", "birds", ""], **own) == [
        ("cats", pytest.approx(2 / 3, abs=1e-4)),
        ("cats", 0.5),
        ("dogs", 0.5),
        (None, None),
        (None, None),
    ]


def test_a_project_adds_replaces_and_removes_topics() -> None:
    usual = topics.of_project(Words())
    own = topics.of_project(
        Words(topics={"bonus": ("Cash-Back", "cashback"), "price": ("fare*",), "food": ()})
    )
    assert own["bonus"] == ["cash back", "cashback"]
    assert own["price"] == ["fare*"]
    assert set(own) == {*usual, "bonus"} - {"food"}
    assert topics.of_project(Words(usual_topics=False)) == {}
    assert found(["The price is high"], usual_topics=False) == [(None, None)]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"bonus": ["***"]}, r"words.topics.bonus: '\*\*\*'"),
        ({"bonus": ["ca*hback"]}, r"words.topics.bonus: 'ca\*hback': a star stands at the end"),
        ({"bonus": ["¿?"]}, "words.topics.bonus: '¿\\?' has no word"),
        ({"bonus": ["Entrega"]}, None),
        ({"bonus": ["Entregas"]}, "the term 'entregas' stands for 'delivery' and for 'bonus'"),
    ],
)
def test_a_term_that_cannot_be_meant_is_refused(terms: dict[str, list[str]], message: str | None) -> None:
    words = Words.model_validate({"topics": terms})
    if message is None:
        words = Words.model_validate({"topics": {"delivery": ["parcel"], **terms}})
        assert topics.of_project(words)["bonus"] == ["entrega"]
        return
    with pytest.raises(ConfigError, match=message):
        topics.of_project(words)


def test_the_version_is_that_of_the_terms() -> None:
    def version(**words: Any) -> str:
        return topics.model(topics.of_project(Words(**words))).version

    assert version() == version()
    assert version() != version(topics={"bonus": ("cashback",)})
    assert version(topics={"bonus": ("Cashback",)}) == version(topics={"bonus": ("cashback",)})


def test_every_usual_topic_has_terms_in_both_languages() -> None:
    known = topics.usual()
    assert len(known) > 12
    for topic in known:
        assert topic.islower()
        assert topic.replace("_", "").isalpha()
    rows = (topics.revisions.resources() / "seeds" / topics.SEED).read_text(encoding="utf-8").splitlines()[1:]
    languages: dict[str, set[str]] = {}
    for topic, language, _ in (row.split(",") for row in rows):
        languages.setdefault(topic, set()).add(language)
    assert all(found >= {"en", "es"} for found in languages.values())


def terms_in(text: str, *terms: str) -> list[int]:
    tokens = split(pa.array([text]))
    return list(Terms(normal(terms)).find(tokens).tolist())


def test_a_phrase_goes_before_its_words_and_a_word_before_a_beginning() -> None:
    terms = ("late", "lat*", "later*", "never late", "never late again")
    assert terms_in("late lately laterally", *terms) == [0, 1, 2, NONE]
    assert terms_in("never late", *terms) == [3, PART, NONE]
    assert terms_in("never late again", *terms) == [4, PART, PART, NONE]
    assert terms_in("never, late", *terms) == [NONE, NONE, 0, NONE], "a phrase does not span a comma"
    assert terms_in("never arrived, never arriving", "never arriv*") == [0, PART, NONE, 0, PART, NONE]


def test_a_lengthened_word_is_the_word() -> None:
    assert terms_in("buenoooo goooood", "bueno", "good") == [0, 1, NONE]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("¡Qué ÁRBOL!", [".", "que", "arbol", "."]),
        ("don't 'stop' it’s", ["dont", "stop", "its", "."]),
        ("a/b-c & d", ["a", "b", "c", "d", "."]),
        ("4.5 stars", ["4", ".", "5", "stars", "."]),
        ("ok👍🏽ok", ["ok", "👍", "ok", "."]),
        ("well :-) :D ;( <3", ["well", "🙂", "🙂", "🙁", "❤", "."]),
        ("one - two — three", ["one", ".", "two", ".", "three", "."]),
        ("", ["."]),
        ("год 日本", ["год", "日本", "."]),
    ],
)
def test_words_are_split(text: str, words: list[str]) -> None:
    tokens = split(pa.array([text]))
    together = tokens.words.take(pa.array(tokens.code)).to_pylist()
    assert [
        word
        for word, before in zip(together, [None, *together], strict=False)
        if word != before or word != "."
    ] == words
