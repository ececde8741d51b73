"""A small invented company whose customer-experience data is known to the last record.

``generate`` writes the exports of its six systems as they would really arrive (daily, untidy, some of it
wrong) and, aside, the truth that a correct integration must find. The guide, the examples and the
end-to-end tests call it. Nobody in it exists.
"""

from cxflow.demo.simulation import generate
from cxflow.demo.truth import Truth

__all__ = ["Truth", "generate"]
