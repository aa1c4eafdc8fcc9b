"""The OpenAPI 3.1 document, made from the endpoints and their msgspec types."""

from __future__ import annotations

import http
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

import gateway
from gateway.api.cookies import SESSION
from gateway.api.endpoint import Auth, Endpoint, Limit, json_answer
from gateway.api.problems import MEDIA_TYPE, Problem

_REFERENCE: Final = "#/components/schemas/{name}"
DOCUMENT = web.AppKey("document", bytes)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document, as plain data."""
    types = [Problem]
    for endpoint in endpoints:
        types += [
            kind for kind in (endpoint.body, endpoint.query, *endpoint.answers.values()) if kind is not None
        ]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", endpoint.path)
        operation = _operation(endpoint, path, schema_of, components)
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    queries = {endpoint.query.__name__ for endpoint in endpoints if endpoint.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Front door",
            "version": gateway.__version__,
            "summary": "One door for every public service in a place",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "From `front-door keys create`."},
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of one of the authority's sign-in providers.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": SESSION,
                    "description": "From `/sign-in`, for browsers. Changes need the header `Front-Door-Csrf: 1` as well.",
                },
            },
        },
    }


def _operation(
    endpoint: Endpoint, path: str, schema_of: dict[int, Any], components: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint.method, path),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": _parameters(endpoint, path, components),
        "responses": {
            **{str(status): _answer(status, endpoint, schema_of) for status in endpoint.answers},
            **{str(status): _problem(status) for status in _problems(endpoint)},
        },
        "security": [{"key": []}, {"token": []}, {"session": []}] if endpoint.auth is Auth.KEY else [],
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[id(endpoint.body)]}},
        }
    return operation


def _problems(endpoint: Endpoint) -> list[int]:
    """What a route says of itself, and what signing in brings with it."""
    found = {*endpoint.problems, 500}
    if endpoint.auth is Auth.KEY:
        found |= {401, 403, 503} if endpoint.limit is Limit.NEVER else {401, 403, 429, 503}
    return sorted(found - endpoint.answers.keys())


def _operation_id(method: str, path: str) -> str:
    return "-".join([method.lower(), *re.findall(r"\w+", path)])


def _parameters(endpoint: Endpoint, path: str, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if endpoint.query is not None:
        schema = components[endpoint.query.__name__]
        found += [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                "schema": {key: value for key, value in each.items() if key != "description"},
                **({"description": each["description"]} if "description" in each else {}),
            }
            for name, each in schema["properties"].items()
        ]
    found += [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": text}
        for name, text in endpoint.headers.items()
    ]
    return found


def _answer(status: int, endpoint: Endpoint, schema_of: dict[int, Any]) -> dict[str, Any]:
    kind = endpoint.answers[status]
    answer: dict[str, Any] = {"description": http.HTTPStatus(status).phrase}
    if kind is not None:
        schema = {"type": "string"} if kind is str else schema_of[id(kind)]
        answer["content"] = {endpoint.media_type: {"schema": schema}}
    return answer


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": http.HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
    }


async def serve_document(request: web.Request) -> web.Response:
    """GET /api/openapi.json."""
    return json_answer(request.app[DOCUMENT])


def encode(endpoints: Sequence[Endpoint]) -> bytes:
    """The document as JSON."""
    return msgspec.json.format(msgspec.json.encode(document(endpoints)), indent=2)


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/openapi.json",
        handler=serve_document,
        auth=Auth.PUBLIC,
        tag="About",
        summary="This API's OpenAPI 3.1 document",
        answers={200: dict[str, Any]},
    )
]
