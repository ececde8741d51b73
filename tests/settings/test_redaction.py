"""The secrets that a process has read: who is told of them, and how they are spelt."""

from __future__ import annotations

import pytest

from cxflow import redaction


@pytest.fixture(autouse=True)
def nothing_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_spellings", set())
    monkeypatch.setattr(redaction, "_subscribers", set())
    monkeypatch.setattr(redaction, "_watch_logs", lambda: None)


def test_who_is_told_hears_of_earlier_and_of_later_secrets_once_each() -> None:
    heard: list[str] = []
    redaction.remember("early bird")
    for _ in range(2):
        redaction.subscribe(heard.append)
        redaction.remember("late/one")
    assert sorted(heard) == ["early bird", "early%20bird", "early+bird", "late%2Fone", "late/one"]


def test_a_secret_is_masked_in_every_spelling() -> None:
    redaction.remember("to ken/7")
    assert redaction.masked("to ken/7, to%20ken%2F7, to+ken%2F7") == "***, ***, ***"


def test_a_text_too_short_to_be_a_secret_is_left_in_innocent_words() -> None:
    redaction.remember("abc")
    assert redaction.masked("abc") == "abc"
