"""The conformance suite that every connector must pass, and the project that tests run in.

from cxflow.testing import conformance

TestTickets = conformance(connection={"connector": "helpdesk", …}, source=write_sample)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxflow.testing.project import TestProject
    from cxflow.testing.suite import conformance

__all__ = ["TestProject", "conformance"]


def __getattr__(name: str) -> Any:
    """Found when it is asked for: the suite needs pytest, `cxflow sandbox` and the demo serve without it."""
    if name == "conformance":
        from cxflow.testing.suite import conformance

        return conformance
    if name == "TestProject":
        from cxflow.testing.project import TestProject

        return TestProject
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
