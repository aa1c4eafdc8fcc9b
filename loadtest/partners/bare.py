"""The ceiling: an aiohttp handler that parses the JSON, stores nothing, and answers 201.

`python -m loadtest.partners.bare --port 0`
"""

from __future__ import annotations

import itertools

import msgspec
import uvloop
from aiohttp import web

from loadtest.partners.reading import READER
from loadtest.partners.serving import arguments, serve

_numbers = itertools.count()


async def create(request: web.Request) -> web.Response:
    """Answer at once."""
    body = READER.decode(await request.read())
    answer = {
        "reference": f"BAR-{next(_numbers):08}",
        "parts": [{"text": body.text, "service": body.service}],
    }
    return web.Response(status=201, body=msgspec.json.encode(answer), content_type="application/json")


def main() -> None:
    """Serve."""
    chosen = arguments("The bare handler.").parse_args()
    app = web.Application()
    app.router.add_post("/api/v1/requests", create)
    uvloop.run(serve(app, chosen.port))


if __name__ == "__main__":
    main()
