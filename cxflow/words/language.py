"""The language of texts, by the library py3langid: the model `langid`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cxflow.errors import ConfigError
from cxflow.model.text_model import Scores, TextModel, Texts

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

READ_CHARACTERS = 60
"""The beginning of a text that is looked at: more makes hardly any difference, and takes its time."""
SURE = 0.5
"""Below this confidence, a text's language is not known."""


def model(languages: Sequence[str]) -> TextModel:
    """The model that tells these languages (ISO 639-1) from each other: a text in another one is taken for one of
    these. Raises ConfigError for a language that the library does not know, when it is first used."""
    chosen = tuple(sorted(set(languages)))
    version = f"{importlib.metadata.version('py3langid')}-{'-'.join(chosen)}"

    def score(texts: Texts) -> Scores:
        beginnings = pc.utf8_lower(pc.utf8_slice_codeunits(texts.text, 0, READ_CHARACTERS))
        # The library takes one text at a time; those that are equal are asked for once.
        unique = beginnings.dictionary_encode()
        found = [_identifier(chosen).classify(text) for text in unique.dictionary.to_pylist()]
        is_sure = [confidence >= SURE for _, confidence in found]
        names = [name if sure else None for (name, _), sure in zip(found, is_sure, strict=True)]
        shares = [round(share, 4) if sure else None for (_, share), sure in zip(found, is_sure, strict=True)]
        return Scores(
            string=pa.array(names, pa.string()).take(unique.indices),
            confidence=pa.array(shares, pa.float64()).take(unique.indices),
        )

    return TextModel("langid", version, "language", score)


@cache
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    unknown = sorted(set(languages) - set(identifier.labels))
    if unknown:
        raise ConfigError(
            f"words.languages: {unknown[0]!r} is no language that can be told",
            value=unknown[0],
            fix=f"known: {', '.join(sorted(identifier.labels))}",
        )
    identifier.set_languages(languages)
    return identifier
