"""The conformance suite that every connector must pass, and the project that tests run in.

from cxflow.testing import conformance

TestTickets = conformance(connection={"connector": "helpdesk", …}, source=write_sample)
"""

from cxflow.testing.conformance import conformance
from cxflow.testing.project import TestProject

__all__ = ["TestProject", "conformance"]
