"""All that is kept of a person: one file to read, and one for machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection
from routing_rules.authority import Authority
from routing_rules.catalogue import Catalogue

# Of every table that has rows of a request, whoever made it; keys and digests are nobody's data.
_TABLES: Final = """
SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'authority_id'
JOIN pg_attribute AS r ON r.attrelid = c.oid AND r.attname = 'request_id'
WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema() AND c.relname NOT IN ('requests', 'idempotency')
  AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname
"""
_SECRET: Final = ("authority_id", "traceparent", "trace_id", "fence", "claimed_by", "lease_until", "notice")


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, as it is kept."""

    authority: str
    made_at: datetime
    requests: list[dict[str, Any]]
    """Each request with the rows of every table that speak of it, by table."""


async def export(connection: Connection, authority: str, requests: Sequence[UUID], now: datetime) -> Export:
    """Gather what is kept of these requests, within a `scoped` transaction."""
    tables = [row["name"] for row in await connection.fetch(_TABLES)]
    found = []
    for request_id in requests:
        row = await connection.fetchval(
            "SELECT to_jsonb(r) FROM requests AS r WHERE authority_id = $1 AND request_id = $2",
            *(authority, request_id),
        )
        whole = _open(row)
        for name in tables:
            rows = await connection.fetch(
                f"SELECT to_jsonb(t) AS row FROM {name} AS t WHERE authority_id = $1 AND request_id = $2 LIMIT 10000",  # noqa: S608  names from the catalogue
                *(authority, request_id),
            )
            if rows:
                whole[name] = [_open(each["row"]) for each in rows]
        statuses = await connection.fetch(
            "SELECT to_jsonb(s) AS row FROM status_updates AS s WHERE authority_id = $1 AND delivery_id IN"
            " (SELECT delivery_id FROM deliveries WHERE authority_id = $1 AND request_id = $2)",
            *(authority, request_id),
        )
        if statuses:
            whole["status_updates"] = [_open(each["row"]) for each in statuses]
        found.append(whole)
    return Export(authority=authority, made_at=now, requests=found)


def _open(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SECRET}


def as_json(found: Export) -> bytes:
    """For machines."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2)


def as_html(found: Export, authority: Authority, catalogue: Catalogue) -> str:
    """To read and to print: no script, no outside host."""
    parts = "".join(_request(request, authority, catalogue) for request in found.requests)
    return (
        "<!doctype html><html lang='en-GB'><head><meta charset='utf-8'>"
        f"<title>What {escape(authority.name)} keeps of you</title>"
        "<style>body{font:1rem/1.5 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}"
        "blockquote{white-space:pre-wrap;border-left:4px solid #767676;margin:0;padding-left:1rem}"
        "th{text-align:left;vertical-align:top;padding-right:1rem}section{border-top:2px solid #767676}</style></head>"
        f"<body><h1>What {escape(authority.name)} keeps of you</h1>"
        f"<p>Made on {found.made_at:%d %B %Y at %H:%M} UTC, from {len(found.requests)} requests.</p>{parts}</body></html>"
    )


def _request(request: dict[str, Any], authority: Authority, catalogue: Catalogue) -> str:
    details = {**(request.get("citizen") or {}), "postcode": request.get("postcode")}
    rows = {name.replace("_", " "): value for name, value in details.items() if value is not None}
    given = [_given(each, authority) for each in request.get("deliveries", []) if each["role"] != "notice"]
    return (
        f"<section><h2>Request {escape(str(request['reference']))}</h2>"
        f"<p>Sent on {_when(request['created_at'])} by {escape(str(request['channel']))}.</p>"
        f"<h3>What you said</h3><blockquote>{escape(str(request['text']))}</blockquote>"
        f"<h3>What we know of you from it</h3>{_table(rows)}"
        f"<h3>What it was about</h3>{_list([_need(each, authority, catalogue) for each in request.get('referrals', [])])}"
        f"<h3>Who was given it</h3>{_list(given)}"
        f"<h3>What happened</h3>{_list([_happened(each) for each in sorted(request.get('events', []), key=_at)])}"
        f"<h3>Who looked at it</h3>{_list([_looked(each) for each in sorted(request.get('audit', []), key=_at)])}"
        f"{_others(request)}</section>"
    )


_SHOWN: Final = {"referrals", "deliveries", "events", "audit"}


def _others(request: dict[str, Any]) -> str:
    """Whatever else is kept of it, table by table."""
    found = ""
    for name, rows in request.items():
        if name in _SHOWN or not isinstance(rows, list):
            continue
        found += f"<h3>{escape(name.replace('_', ' ').capitalize())}</h3>"
        found += "".join(
            _table({key: value for key, value in row.items() if value is not None}) for row in rows
        )
    return found


def _need(referral: dict[str, Any], authority: Authority, catalogue: Catalogue) -> str:
    service = catalogue.services.get(referral["service"] or "")
    name = service.name if service else "not yet known"
    who = authority.name_of(referral["organisation"]) if referral["organisation"] else "nobody yet"
    return f"{name}: with {who}, {referral['state'].replace('_', ' ')}. In your words: {referral['text']}"


def _given(delivery: dict[str, Any], authority: Authority) -> str:
    organisation = authority.organisations.get(delivery["organisation"])
    if organisation is None:
        return f"{delivery['organisation']}: {delivery['state']}"
    fields = ", ".join(field.replace("_", " ") for field in organisation.sharing.fields) or "no details"
    return (
        f"{organisation.name} ({delivery['state']}): may be given {fields}. Purpose: {organisation.sharing.purpose} "
        f"Lawful basis: {organisation.sharing.lawful_basis}."
    )


def _happened(event: dict[str, Any]) -> str:
    detail = ", ".join(
        f"{name.replace('_', ' ')}: {value}" for name, value in (event["detail"] or {}).items()
    )
    return f"{_when(event['at'])}: {event['kind'].replace('_', ' ')} ({detail})"


def _looked(entry: dict[str, Any]) -> str:
    fields = ", ".join(entry["fields"]) or "nothing of yours"
    return f"{_when(entry['at'])}: {entry['action']} by {entry['actor']}: {fields}"


def _at(row: dict[str, Any]) -> str:
    return str(row["at"])


def _when(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%d %B %Y, %H:%M}"


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else "<p>Nothing.</p>"


def _table(rows: dict[str, Any]) -> str:
    lines = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows.items()
    )
    return f"<table>{lines}</table>" if lines else "<p>Nothing.</p>"
