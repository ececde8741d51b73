"""Recorded answers of a real account: where they are, and a service that gives them again."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cxflow.testing import answers
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class Recorded:
    """A recorded GET."""

    path: str
    params: dict[str, str]
    body: Any


def of(cassette: str) -> list[Recorded]:
    """The successful GETs of a recording, in order. Skips the test where there are no recordings."""
    file = answers.recorded("zenpy") / "tests" / "test_api" / "betamax" / f"{cassette}.json"
    found = []
    for each in json.loads(file.read_text("utf-8"))["http_interactions"]:
        asked, given = each["request"], each["response"]
        if asked["method"] == "GET" and given["status"]["code"] == 200:
            url, body = urlsplit(asked["uri"]), given["body"]
            packed = body.get("base64_string")
            text = gzip.decompress(b64decode(packed)) if packed else body["string"]
            found.append(Recorded(url.path, dict(parse_qsl(url.query)), json.loads(text)))
    return found


def replayed(recorded: list[Recorded]) -> Starlette:
    """A service with these answers: that for the cursor or, without one, the first for the path."""

    def answer(request: Request) -> Response:
        cursor = request.query_params.get("cursor")
        for each in recorded:
            if each.path == request.url.path and each.params.get("cursor") == cursor:
                return JSONResponse(each.body)
        return JSONResponse({"error": "RecordNotFound", "description": "Not found"}, 404)

    return Starlette(routes=[Route("/{path:path}", answer)])
