"""A model of the texts that the customers of the invented help desk write."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cxflow import Scores, TextModel, Texts


def _reasons(texts: Texts) -> Scores:
    is_parcel = pc.match_substring(texts.text, "parcel", ignore_case=True)
    topics = pc.if_else(is_parcel, "parcel", pa.scalar(None, pa.string()))
    return Scores(string=topics, confidence=pa.repeat(1.0, len(texts.text)))


REASONS = TextModel(name="desk_reasons", version="1", signal="topic", score=_reasons)
