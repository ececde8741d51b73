"""Which contacts a record belongs to. HubSpot's search does not say; a request for 100 records at a time does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cxflow import SourceError, TransientError, http

MOST = 100
"""Records that one request may ask for."""


def contacts(client: http.Client, object_type: str, ids: Sequence[str]) -> dict[str, list[str]]:
    """The contacts of some records, the oldest id first; none for a record that has none.

    HubSpot refuses a whole request if one of its records is archived, so a refused one is asked again by halves; a
    record refused by itself was archived a moment ago, and gets no contacts. Raises SourceError if all are refused, and
    TransientError if HubSpot leaves some out for another reason than that they have none.
    """
    found: dict[str, set[int]] = {each: set() for each in ids}
    refused: list[str] = []
    for result in _results(client, object_type, [{"id": each} for each in ids], refused):
        found[str(result["from"]["id"])] |= {int(each["toObjectId"]) for each in result.get("to") or ()}
    if len(refused) == len(ids) > 1:
        raise SourceError(
            f"HubSpot refuses to say which contacts its {object_type} belong to", value=object_type
        )
    return {each: [str(contact) for contact in sorted(found[each])] for each in ids}


def _results(
    client: http.Client, object_type: str, inputs: list[dict[str, str]], refused: list[str]
) -> Iterator[dict[str, Any]]:
    """The results for some records, those of their further pages included."""
    while inputs:
        some, inputs = inputs[:MOST], inputs[MOST:]
        request = http.Request(
            f"/crm/v4/associations/{object_type}/contacts/batch/read", body={"inputs": some}
        )
        try:
            answer = client.send(request)
        except http.TooLargeError:
            if len(some) == 1:
                refused.append(some[0]["id"])
                continue
            for half in (some[: len(some) // 2], some[len(some) // 2 :]):
                yield from _results(client, object_type, half, refused)
            continue
        for error in answer.value("errors") or ():
            # A record without contacts is reported as an error, too: with status 207, beside the results.
            if error.get("category") != "OBJECT_NOT_FOUND":
                raise TransientError(f"HubSpot does not say which contacts some {object_type} belong to")
        for result in answer.value("results") or ():
            yield result
            if after := ((result.get("paging") or {}).get("next") or {}).get("after"):
                inputs.append({"id": str(result["from"]["id"]), "after": str(after)})
