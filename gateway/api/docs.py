"""The API's pages: plain HTML made at start from the OpenAPI document. No script, no outside host."""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from typing import Any, Final

from aiohttp import web

from gateway.api.endpoint import Auth, Endpoint

PAGE = web.AppKey("docs_page", str)

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

PROBLEMS: Final = {
    "invalid": "A field cannot be taken. `errors` says which, by JSON pointer, and why. Mend it and send again.",
    "not-json": "The body is not JSON, or is not called JSON in Content-Type.",
    "unauthorised": "Nobody is signed in: no API key, token or session was sent, or it is not known, or has ended.",
    "forbidden": "You are known, but your role may not do this, or this is not your organisation's.",
    "cross-site": "A call with the session's cookie must come from our own pages and carry the header Front-Door-Csrf: 1.",
    "too-many": "You have called too often. RateLimit-Policy says how often is fine. Wait for Retry-After. A citizen in "
    "danger is never turned away by this.",
    "sign-in-away": "The provider that people sign in with does not answer. API keys and open sessions still work.",
    "not-found": "There is no such thing in your authority.",
    "bad-key": "Idempotency-Key must have 1 to 255 printable ASCII characters.",
    "conflict": "What was asked does not fit how things stand: `detail` says how. Or a request with the same "
    "Idempotency-Key is being answered right now: wait for Retry-After.",
    "stale": "It has changed since you read it: the ETag in the answer is the new one. Read it again, look whether you "
    "still want the change, and send it with the new ETag.",
    "precondition-required": "A change says in If-Match which version it was made for: send the ETag that you read.",
    "key-reused": "This Idempotency-Key came before with another body. Choose another key.",
    "request-entity-too-large": "The body is larger than this service takes.",
    "overloaded": "More is in flight than this process takes. Nothing was stored. Wait for Retry-After.",
    "unavailable": "The database is away, or the outcome of a commit is unknown. Send again with the same "
    "Idempotency-Key: it will be stored once.",
    "foreign-origin": "A web page of this origin may not call the chat: the authority's file does not list it.",
    "conversation-token": "The token opens no conversation here, or it has been exchanged for a newer one. Start anew.",
    "conversation-closed": "The conversation has ended. Start a new one.",
    "out-of-order": "The choice belongs to a question that has been answered already. Read the conversation again.",
    "file-refused": "The file is too large, or none of the kinds that are taken, or the store for files is full.",
    "not-yours": "Another agent has the conversation, or your lease ran out. Take it again.",
    "callback-rejected": "A status callback's signature, token or body is not acceptable.",
    "fault": "A fault of ours. It has been logged with the trace id.",
}
"""Every problem type and what a caller does about it; the anchors of `type` URIs."""


def page(document: dict[str, Any]) -> str:
    """The documentation page."""
    parts = []
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        for path, methods in document["paths"].items():
            parts += [
                _operation(path, method, operation)
                for method, operation in methods.items()
                if tag["name"] in operation["tags"]
            ]
    schemas = "".join(
        f"<details id='schema-{escape(name)}'><summary><code>{escape(name)}</code></summary>"
        f"<p>{escape(schema.get('description', ''))}</p><pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    problems = "".join(
        f"<dt id='{kind}'><code>{kind}</code></dt><dd>{escape(text)}</dd>" for kind, text in PROBLEMS.items()
    )
    return _template("docs.html").format(
        version=escape(document["info"]["version"]),
        operations="".join(parts),
        schemas=schemas,
        problems=problems,
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{escape(each.get('description', ''))}</td></tr>"
        for each in operation["parameters"]
    )
    table = (
        f"<table><thead><tr><th>Parameter</th><th>In</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    body = ""
    if "requestBody" in operation:
        body = f"<p>Body: {_link(operation['requestBody']['content']['application/json']['schema'])}</p>"
    answers = "".join(
        f"<li><b>{status}</b> {escape(answer['description'])} "
        f"{' '.join(_link(content['schema']) for content in answer.get('content', {}).values())}</li>"
        for status, answer in operation["responses"].items()
    )
    key = "" if not operation["security"] else " <span class='key'>API key</span>"
    return (
        f"<details id='{operation['operationId']}'><summary><code class='method'>{method.upper()}</code> "
        f"<code>{escape(path)}</code> — {escape(operation['summary'])}{key}</summary>"
        f"<p>{escape(operation.get('description', ''))}</p>{table}{body}<p>Answers:</p><ul>{answers}</ul></details>"
    )


def _link(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"<a href='#schema-{escape(name)}'><code>{escape(name)}</code></a>"
    if schema.get("type") == "array":
        return "list of " + _link(schema["items"])
    return f"<code>{escape(str(schema.get('type', 'any')))}</code>"


def _template(name: str) -> str:
    return (resources.files("gateway") / "web" / name).read_text(encoding="utf-8")


async def docs(request: web.Request) -> web.Response:
    """GET /api/docs."""
    return web.Response(text=request.app[PAGE], content_type="text/html", headers=SECURITY)


async def style(_: web.Request) -> web.Response:
    """GET /web/style.css."""
    return web.Response(text=_template("style.css"), content_type="text/css", headers=SECURITY)


ENDPOINTS = [
    Endpoint(
        method="GET",
        path=path,
        handler=handler,
        auth=Auth.PUBLIC,
        tag="About",
        summary=summary,
        answers={200: str},
        media_type=media_type,
    )
    for path, handler, summary, media_type in (
        ("/api/docs", docs, "These pages", "text/html"),
        ("/web/style.css", style, "How the pages look", "text/css"),
    )
]
