"""A pull over HTTP: pages of a thousand contacts from a service on loopback, in a whole process of each kind.

    http_pull.py serve FILE PORT_FILE | bare URL | project URL FOLDER | cxflow URL FOLDER | dlt URL | singer URL

`bare` is the limit: it fetches and parses with the same library as cxflow, and keeps nothing. cxflow lands the records,
the peers count them.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

PAGE = 1_000
PATH = "/contacts"


def serve(file: Path, told: Path) -> None:
    """Serve the file's lines, a thousand to a page, each page made before the first is asked for."""
    import uvicorn

    lines = file.read_bytes().splitlines()
    bodies = []
    for start in range(0, len(lines), PAGE):
        following = start + PAGE
        token = f'"{following // PAGE}"' if following < len(lines) else "null"
        records = b",".join(lines[start:following])
        bodies.append(b'{"contacts":[' + records + b'],"next":' + token.encode() + b"}")

    async def application(scope: dict[str, Any], _: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        query = scope["query_string"].decode()
        body = bodies[int(query.rpartition("token=")[2] or 0)]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    told.write_text(str(listening.getsockname()[1]))
    config = uvicorn.Config(application, log_level="error", lifespan="off", ws="none")
    uvicorn.Server(config).run([listening])


def bare(url: str) -> int:
    """Fetch and parse, one request after the other."""
    import httpx2
    import msgspec

    token, count = "0", 0
    with httpx2.Client() as client:
        while token is not None:
            page = msgspec.json.decode(client.get(f"{url}{PATH}", params={"token": token}).content)
            count += len(page["contacts"])
            token = page["next"]
    return count


def cxflow(url: str, folder: Path) -> int:
    """Extract the stream: every record is in the landing zone afterwards."""
    from datetime import UTC, datetime

    from cxflow import Window, flow
    from cxflow.landing import zone
    from cxflow.settings import load

    settings = load(folder)
    window = Window(None, datetime(2026, 4, 1, tzinfo=UTC))
    batch = flow.extract(settings, "api", "contacts", window, "backfill")
    return zone.read_manifest(settings, batch).records


def project(url: str, folder: Path) -> int:
    """Make the project that cxflow reads, with its warehouse."""
    from cxflow.settings import load
    from cxflow.warehouse import revisions

    folder.mkdir(parents=True)
    (folder / "cxflow.toml").write_text(
        f'plugins = ["http_contacts"]\n[connections.api]\nconnector = "contacts"\nbase_url = "{url}"\n'
        "private_network = true\n"
    )
    revisions.ensure(load(folder))
    return 0


def dlt(url: str) -> int:
    """dlt's client, records as it yields them."""
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    paginator = JSONResponseCursorPaginator(cursor_path="next", cursor_param="token")
    client = RESTClient(base_url=url, paginator=paginator, data_selector="contacts")
    return sum(len(page) for page in client.paginate(PATH))


def singer(url: str) -> int:
    """A tap of the Singer SDK, its lines thrown away by the caller."""
    from singer_sdk import RESTStream, Tap
    from singer_sdk import typing as th
    from singer_sdk.pagination import JSONPathPaginator

    class Contacts(RESTStream[str]):
        name = "contacts"
        path = PATH
        url_base = url
        primary_keys = ("id",)
        records_jsonpath = "$.contacts[*]"
        schema = th.PropertiesList(th.Property("id", th.StringType), additional_properties=True).to_dict()

        def get_new_paginator(self) -> JSONPathPaginator:
            return JSONPathPaginator("$.next")

        def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
            return {"token": next_page_token or 0}

    class Peer(Tap):
        name = "tap-peer"

        def discover_streams(self) -> list[Any]:
            return [Contacts(self)]

    Peer(config={}).sync_all()
    return -1


if __name__ == "__main__":
    how, *rest = sys.argv[1:]
    if how == "serve":
        serve(Path(rest[0]), Path(rest[1]))
    elif how in ("project", "cxflow"):
        print(json.dumps({"project": project, "cxflow": cxflow}[how](rest[0], Path(rest[1]))))
    else:
        print(json.dumps({"bare": bare, "dlt": dlt, "singer": singer}[how](rest[0])))
