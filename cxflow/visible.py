"""Makes the control characters of a text visible, so that data cannot drive a terminal or reorder a line.

Names of files and columns and values of records come from sources: they may hold escape sequences (which move the
cursor, set the title, write the clipboard), or characters that show a text in another order than it is stored. Used
where texts leave the process: the command line's output, log lines, the messages of errors.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 controls except line feed and tab, DEL, C1, bidirectional embeddings, overrides and isolates, the two separators
of lines and paragraphs; and halves of a character, which no terminal accepts."""
_BREAKS = {"\n": r"\n", "\t": r"\t"}


def visible(text: str) -> str:
    r"""A text with its control characters as `\x1b` or `\u202e`. Line feeds and tabs stay: messages have many lines."""
    return _HIDDEN.sub(_escape, text)


def one_line(text: str) -> str:
    r"""As `visible`, with line feeds and tabs as `\n` and `\t`: for a value within a line or a table's cell."""
    return re.sub("[\n\t]", lambda match: _BREAKS[match[0]], visible(text))


def in_json(text: str) -> str:
    r"""JSON with the control characters in its texts as `\u202e`, which reads back as the same value."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
