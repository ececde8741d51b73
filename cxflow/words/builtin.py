"""cxflow's own models of texts, as a plugin."""

from __future__ import annotations

from cxflow.hookspecs import hookimpl
from cxflow.model.text_model import TextModel
from cxflow.settings import Settings


@hookimpl
def cxflow_text_models(settings: Settings) -> list[TextModel]:
    """The models of languages, sentiments and topics; imported, with Arrow, by who scores."""
    from cxflow.words import language, lexicon, topics

    words = settings.words
    return [language.model(words.languages), lexicon.model(), topics.model(topics.of_project(words))]
