"""Whether everything that was acknowledged is still there: the gateway's own list, read to the end of this run's share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aiohttp

from loadtest.errors import TargetError
from loadtest.tally import References

_PAGE = 200


async def lost(
    session: aiohttp.ClientSession, url: str, keys: Sequence[str], acknowledged: Sequence[References]
) -> int:
    """How many acknowledged references are not in the lists of their keys' authorities. Raises `TargetError`."""
    return sum(
        [len(await _missing(session, url, key, kept)) for key, kept in zip(keys, acknowledged, strict=True)]
    )


async def _missing(session: aiohttp.ClientSession, url: str, key: str, kept: Iterable[str]) -> set[str]:
    """Reads newest first and stops as soon as all are found, so the cost is this run's and not the table's."""
    missing = set(kept)
    cursor: str | None = ""
    while missing and cursor is not None:
        query = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
        async with session.get(
            f"{url}/api/v1/requests", params=query, headers={"Authorization": f"Bearer {key}"}
        ) as answer:
            if answer.status != 200:
                raise TargetError(f"the list of requests was answered with {answer.status}")
            page = await answer.json()
        missing -= {item["reference"] for item in page["items"]}
        cursor = page["next"]
    return missing
