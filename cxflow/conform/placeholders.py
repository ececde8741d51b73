"""Values that stand for nobody: what systems write where there is no identifier. Called by `identifiers`.

One customer number 0 on half of the orders makes one customer of thousands.
"""

from __future__ import annotations

from cxflow.duck import literal

_WORDS = (
    *(
        "null",
        "nil",
        "none",
        "nan",
        "na",
        "undefined",
        "unknown",
        "unassigned",
        "anonymous",
        "nobody",
        "guest",
    ),
    *("empty", "blank", "missing", "desconocido", "unbekannt", "inconnu"),
)
_SIGNS = (
    "n/a",
    "#n/a",
    "n.a.",
    "(none)",
    "(null)",
    "<null>",
    "<none>",
    "(not set)",
    "not set",
    "not available",
)
_ID = (
    r"[-–—_.?*#/\s]+",
    r"x{2,}",
    r"[-+]?0+(?:\.0+)?",
    r"-1",
    r"9{5,}",
    r"\{?(?:00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff)\}?",
)
_MAILBOX = (
    r"(?:no|do[-_.]?not|dont|never)[-_.]?(?:reply|replay|responder)(?:[-_.+].*)?",
    r"(?:no|sin|kein|none)[-_.]?(?:e?[-_]?mail|correo|address)",
    r"mailer[-_.]?daemon",
    r"null|none|undefined|unknown|anonymous|nobody",
)
"""Mailboxes whose local part says that nobody reads them, or that there is no address. Not `na` or `blank`: people have
such names."""


def is_placeholder(namespace: str, value: str) -> str:
    """SQL: whether a usable identifier (`value`, SQL too) stands for nobody. Telephone numbers that are none are not
    valid ones."""
    if namespace == "phone":
        return "false"
    if namespace == "email":
        mailbox = f"(?:{'|'.join(_MAILBOX)})@.*"
        return f"regexp_full_match({value}, {literal(mailbox)})"
    lowered = f"lower({value})"
    words = ", ".join(map(literal, (*_WORDS, *_SIGNS)))
    return f"(regexp_full_match({lowered}, {literal('|'.join(_ID))}) OR {lowered} IN ({words}))"
