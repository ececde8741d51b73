"""From an answer to what happens next: a table of the vendor's own rules, then of HTTP's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from cxflow.connect.http.answer import Answer, NotJsonError

_NAMES = re.compile(r"\b[a-z]+(?:[_.:-][a-z]+)+\b")
"""Names of rights, such as `read_customers` and `crm.objects.contacts`."""


class Then(Enum):
    """What happens next."""

    USE = "use it"
    RETRY = "try again, after a pause that grows"
    WAIT = "wait as long as the service asks, and try again"
    RENEW = "renew the credentials once, and try again"
    SHRINK = "ask for a smaller page"
    SKIP = "leave out this one parent's records, and say so"
    STALE = "the place in the paging is gone: start over"
    QUOTA = "stop until the quota is refilled; what was read is kept"
    CONFIG = "stop: a setting, a credential or a right is wrong"
    SOURCE = "stop: the service is not as declared"


class Rule(NamedTuple):
    """One row of a vendor's table."""

    status: int
    then: Then
    code: str | None = None
    """The vendor's own error code, for this row alone; None: any."""
    why: str = ""
    """Completes "the service answered …:"."""
    fix: str = ""
    seconds: float | None = None
    """How long to wait where the answer itself does not say (`Then.WAIT`)."""


class Outcome(NamedTuple):
    """What an answer means."""

    then: Then
    why: str = ""
    fix: str = ""
    seconds: float | None = None
    """How long to wait where the answer itself does not say; None: a pause that grows."""


class Errors(NamedTuple):
    """How a vendor says that something is wrong."""

    code: tuple[str, ...] = ()
    """Where its error code may stand in the answer; the first that is there counts."""
    rules: Sequence[Rule] = ()
    """The first that fits counts."""
    in_success: bool = False
    """Whether errors come with status 200, as with GraphQL."""
    missing: tuple[str, ...] = ()
    """Where it may say which right is missing, or of which field; the first that is there is told."""

    def outcome(self, answer: Answer, *, of_child: bool = False) -> Outcome:
        """What to do with an answer. `of_child`: it is about one parent's records.

        The vendor's message is not shown: it may quote a record.
        """
        status = answer.status
        success = 200 <= status < 300
        code = None if success and not self.in_success else self._code(answer)
        for rule in self.rules:
            if rule.status == status and rule.code in (None, code) and (code or not success):
                why = (rule.why or _named(status, code)) + self._missing(answer)
                return Outcome(rule.then, why, rule.fix, rule.seconds)
        if success and code is None:
            return Outcome(Then.USE)
        return _of_status(status, _named(status, code), of_child=of_child)

    def _missing(self, answer: Answer) -> str:
        """What is missing, in brackets: names alone (`read_customers`), for a sentence may quote a record."""
        for path in self.missing:
            try:
                found = answer.value(path)
            except NotJsonError:
                return ""
            if isinstance(found, list):  # the steps to a field; a number is a place in a list
                found = ".".join(step for step in found if isinstance(step, str))
                names = [found] if found else []
            else:
                names = _NAMES.findall(found) if isinstance(found, str) else []
            if names:
                return f" ({', '.join(names)[:100]})"
        return ""

    def _code(self, answer: Answer) -> str | None:
        for path in self.code:
            try:
                found = answer.value(path)
            except NotJsonError:
                return None
            if isinstance(found, str | int) and not isinstance(found, bool):
                return str(found)[:60]
        return None


def _named(status: int, code: str | None) -> str:
    return f"status {status}{f' ({code})' if code else ''}"


def _of_status(status: int, why: str, *, of_child: bool) -> Outcome:
    """What HTTP itself says."""
    match status:
        case 401:
            return Outcome(Then.RENEW, why, "check the token or key, and whether it has been revoked")
        case 402:
            return Outcome(Then.CONFIG, f"{why}: the account is not paid for or frozen")
        case 403:
            return Outcome(Then.CONFIG, why, "the credentials lack a right (scope) for this stream")
        case 404 | 410 if of_child:
            return Outcome(Then.SKIP, why)
        case 410:
            return Outcome(
                Then.SOURCE,
                f"{why}: it has withdrawn this endpoint",
                "a newer version of the connector may know its successor; only = […] leaves the stream out",
            )
        case 404:
            return Outcome(Then.SOURCE, f"{why}: there is no such endpoint or account", "check the address")
        case 408 | 409 | 423 | 425:
            return Outcome(Then.RETRY, why)
        case 429:
            return Outcome(Then.WAIT, why)
        case 413 | 414 | 504 | 524:
            return Outcome(Then.SHRINK, why)
        case 503:
            return Outcome(Then.WAIT, why)
        case _ if status >= 500:
            return Outcome(Then.RETRY, why)
        case _ if 300 <= status < 400:
            return Outcome(Then.CONFIG, f"{why}: it sends elsewhere, which is not followed", "check the URL")
    return Outcome(Then.SOURCE, why)
