"""What a connector for an HTTP service declares, and the machinery that acts on it. Plugins: `from cxflow import http`.

A stream is a path, a paging and a mapping (`stream`, `paging`); a connector adds the address, the credentials (`auth`),
how many requests the service allows (`budget`) and how it says that something is wrong (`outcomes`). `connector` reads.
"""

from cxflow.connect.http.answer import Answer
from cxflow.connect.http.auth import (
    Anonymous,
    Auth,
    Basic,
    ClientCredentials,
    Credentials,
    Header,
    Query,
    RefreshToken,
    bearer,
)
from cxflow.connect.http.budget import RateLimit
from cxflow.connect.http.client import Client, TooLargeError
from cxflow.connect.http.connection import HttpConnection, OAuthConnection
from cxflow.connect.http.connector import RestConnector
from cxflow.connect.http.jobs import Job, JobState
from cxflow.connect.http.nested_lines import joined
from cxflow.connect.http.outcomes import Errors, Rule, Then
from cxflow.connect.http.paging import (
    Export,
    Keyset,
    Link,
    NewestFirst,
    OnePage,
    Page,
    PageNumber,
    Paging,
    Relay,
    TimeWalk,
    Token,
)
from cxflow.connect.http.request import Request
from cxflow.connect.http.stream import Call, Parent, RestStream

__all__ = [
    "Anonymous",
    "Answer",
    "Auth",
    "Basic",
    "Call",
    "Client",
    "ClientCredentials",
    "Credentials",
    "Errors",
    "Export",
    "Header",
    "HttpConnection",
    "Job",
    "JobState",
    "Keyset",
    "Link",
    "NewestFirst",
    "OAuthConnection",
    "OnePage",
    "Page",
    "PageNumber",
    "Paging",
    "Parent",
    "Query",
    "RateLimit",
    "RefreshToken",
    "Relay",
    "Request",
    "RestConnector",
    "RestStream",
    "Rule",
    "Then",
    "TimeWalk",
    "Token",
    "TooLargeError",
    "bearer",
    "joined",
]
