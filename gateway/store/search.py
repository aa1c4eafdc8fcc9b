"""Finding requests by words, name, phone, e-mail address, postcode or reference, however they were typed.

`request_search` holds what a request can be found by; `search_words` every word that occurs. A word that was misspelt, by
the citizen or in the search box, finds its neighbours among those words by their trigrams; the requests are then found by
whole words, which stays quick among millions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection
from gateway.work.words import Keys, Question, near


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """A request that came just now, with its needs."""

    request_id: UUID
    text: str
    citizen: dict[str, Any]
    postcode: str | None
    created_at: datetime
    referrals: list[dict[str, Any]]
    """`referral_id`, `service`, `state`."""


async def take_fresh(connection: Connection, authority: str, limit: int) -> list[Fresh]:
    """Some that nobody else is looking at, taken off the list in this transaction."""
    rows = await connection.fetch(
        "WITH taken AS (DELETE FROM fresh_requests WHERE authority_id = $1 AND request_id IN ("
        "   SELECT request_id FROM fresh_requests WHERE authority_id = $1 ORDER BY request_id LIMIT $2"
        "   FOR UPDATE SKIP LOCKED) RETURNING request_id)"
        " SELECT q.request_id, q.text, q.citizen, q.postcode, q.created_at,"
        " coalesce((SELECT jsonb_agg(jsonb_build_object('referral_id', r.referral_id, 'service', r.service,"
        "   'state', r.state))"
        "   FROM referrals AS r WHERE r.authority_id = $1 AND r.request_id = q.request_id), '[]') AS referrals"
        " FROM taken JOIN requests AS q ON q.authority_id = $1 AND q.request_id = taken.request_id",
        *(authority, limit),
    )
    return [Fresh(**dict(row)) for row in rows]


_KEEP: Final = """
WITH new AS (
    SELECT request_id, to_tsvector('english', text) || to_tsvector('simple', names) AS words, phone, email, postcode, address
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS n (request_id, text, names, phone, email, postcode, address)
), kept AS (
    INSERT INTO request_search (authority_id, request_id, words, phone, email, postcode, address)
    SELECT $1, request_id, words, phone, email, postcode, address FROM new
    ON CONFLICT (authority_id, request_id) DO UPDATE SET words = excluded.words, phone = excluded.phone,
        email = excluded.email, postcode = excluded.postcode, address = excluded.address
)
INSERT INTO search_words (authority_id, word)
SELECT DISTINCT $1, w.lexeme FROM new, unnest(new.words) AS w
WHERE length(w.lexeme) BETWEEN 3 AND 40 ORDER BY 2 ON CONFLICT DO NOTHING
"""


async def keep(connection: Connection, authority: str, found: Sequence[tuple[UUID, Keys]]) -> None:
    """Make requests findable."""
    columns: list[list[Any]] = [
        [request_id for request_id, _ in found],
        *([getattr(keys, name) for _, keys in found] for name in Keys.__struct_fields__),
    ]
    await connection.execute(_KEEP, authority, *columns)


async def forget(connection: Connection, authority: str, request_id: UUID) -> None:
    """Make a request unfindable, and forget words that no other has: for erasure."""
    rows = await connection.fetch(
        "WITH gone AS (DELETE FROM request_search WHERE authority_id = $1 AND request_id = $2 RETURNING words)"
        " SELECT w.lexeme FROM gone, unnest(gone.words) AS w",
        *(authority, request_id),
    )
    await connection.execute(
        "DELETE FROM search_words AS s WHERE s.authority_id = $1 AND s.word = ANY($2) AND NOT EXISTS ("
        " SELECT FROM request_search AS o WHERE o.authority_id = $1 AND o.words @@ quote_literal(s.word)::tsquery)",
        *(authority, [row["lexeme"] for row in rows]),
    )
    await connection.execute(
        "DELETE FROM fresh_requests WHERE authority_id = $1 AND request_id = $2", authority, request_id
    )


class Spelt(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed as queries: with the words as they are, and with those that are spelt alike."""

    exact: str | None
    alike: str | None


async def spell(connection: Connection, authority: str, words: Sequence[str]) -> Spelt:
    """Words as they were typed as a query by whole words; `alike` is `None` where nothing is spelt alike."""
    if not words:
        return Spelt(exact=None, alike=None)
    await connection.execute("SELECT set_config('pg_trgm.similarity_threshold', '0.25', true)")
    rows = await connection.fetch(
        "SELECT typed, to_tsvector('english', typed) = '' AS empty,"
        " (SELECT array_agg(lexeme) FROM unnest(to_tsvector('english', typed) || to_tsvector('simple', typed))) AS forms,"
        " ARRAY(SELECT s.word FROM search_words AS s WHERE s.authority_id = $1 AND length(typed) > 3 AND s.word % typed"
        "   ORDER BY similarity(s.word, typed) DESC LIMIT 40) AS candidates FROM unnest($2::text[]) AS t (typed)",
        *(authority, list(words)),
    )
    exact: list[str] = []
    alike: list[str] = []
    for row in rows:
        if row["empty"] and len(rows) > 1:
            continue  # "the", "my": they stand in no text's words, and say nothing
        forms = sorted(set(row["forms"] or ()))
        own = [_quoted(form) for form in forms]
        if len(row["typed"]) > 2:
            own.append(f"{_quoted(row['typed'])}:*")  # what is still being typed
        also = {each for form in {row["typed"], *forms} for each in near(form, row["candidates"])}
        exact.append("(" + " | ".join(own) + ")")
        alike.append("(" + " | ".join([*own, *map(_quoted, sorted(also - set(forms)))]) + ")")
    if not exact:
        return Spelt(exact=None, alike=None)
    return Spelt(exact=" & ".join(exact), alike=" & ".join(alike) if alike != exact else None)


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "").replace("'", "''") + "'"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What the needs of a request that is found must be. What is not given does not narrow."""

    state: str | None = None
    service: str | None = None
    organisation: str | None = None
    channel: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was found: no citizen's details."""

    request_id: UUID
    reference: str
    channel: str
    text: str
    """The first 200 characters."""
    emergency: str | None
    postcode: str | None
    created_at: datetime
    referrals: list[dict[str, Any]]
    """`referral_id`, `service`, `organisation`, `state`, `priority`, `version`."""


async def find(
    connection: Connection,
    authority: str,
    question: Question,
    filters: Filters,
    *,
    words: str | None,
    but: str | None = None,
    before: UUID | None,
    limit: int,
) -> list[Found]:
    """A page of requests, newest first: those older than `before`, and not those that fit the words `but`."""
    sql, values = statement(authority, question, filters, words=words, but=but, before=before, limit=limit)
    # Which index is best depends on how common the words are: let it be planned for these.
    await connection.execute("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
    return [Found(**dict(row)) for row in await connection.fetch(sql, *values)]


def statement(
    authority: str,
    question: Question,
    filters: Filters,
    *,
    words: str | None,
    but: str | None = None,
    before: UUID | None,
    limit: int,
) -> tuple[str, list[Any]]:
    """The query and its parameters."""
    values: list[Any] = [authority]

    def given(value: Any, kind: str) -> str:
        values.append(value)
        return f"${len(values)}::{kind}"

    by_keys = _by_keys(question, words, but, given)
    conditions = _narrow(filters, given)
    if question.reference is not None:
        conditions.append(f"q.reference = {given(question.reference, 'text')}")
    key = "s.request_id" if by_keys else "q.request_id"
    if before is not None:
        conditions.append(f"{key} < {given(before, 'uuid')}")
    if filters.since is not None:
        conditions.append(f"{key} >= {given(at(filters.since), 'uuid')}")
    if filters.until is not None:
        conditions.append(f"{key} < {given(at(filters.until), 'uuid')}")
    if by_keys:
        source = (
            "request_search AS s JOIN requests AS q ON q.authority_id = $1 AND q.request_id = s.request_id"
        )
        conditions = ["s.authority_id = $1", *by_keys, *conditions]
    else:
        source = "requests AS q"
        conditions = ["q.authority_id = $1", *conditions]
    sql = (
        f"WITH page AS (SELECT {key} AS request_id FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608  names are ours, values are parameters
        f" ORDER BY {key} DESC LIMIT {given(limit, 'int')})"
        " SELECT q.request_id, q.reference, q.channel, left(q.text, 200) AS text, q.emergency, q.postcode, q.created_at,"
        " coalesce((SELECT jsonb_agg(jsonb_build_object('referral_id', r.referral_id, 'service', r.service,"
        "   'organisation', r.organisation, 'state', r.state, 'priority', r.priority, 'version', r.version) ORDER BY r.part)"
        "   FROM referrals AS r WHERE r.authority_id = $1 AND r.request_id = q.request_id), '[]') AS referrals"
        " FROM page JOIN requests AS q ON q.authority_id = $1 AND q.request_id = page.request_id"
        " ORDER BY q.request_id DESC"
    )
    return sql, values


def _by_keys(question: Question, words: str | None, but: str | None, given: Any) -> list[str]:
    by_keys: list[str] = []
    if question.phone is not None:
        by_keys.append(f"s.phone = {given(question.phone, 'text')}")
    if question.email is not None:
        by_keys.append(f"s.email = {given(question.email, 'text')}")
    if question.postcode is not None:
        by_keys.append(f"s.postcode = {given(question.postcode, 'text')}")
    if question.postcode_begins is not None:
        begins = question.postcode_begins
        by_keys += [
            f"s.postcode >= {given(begins, 'text')}",
            f"s.postcode < {given(begins + '~', 'text')}",
        ]
    if words is not None:
        by_keys.append(f"s.words @@ {given(words, 'tsquery')}")
    if but is not None:
        by_keys.append(f"NOT s.words @@ {given(but, 'tsquery')}")
    return by_keys


def _narrow(filters: Filters, given: Any) -> list[str]:
    conditions = []
    needs = [
        f"r.{name} = {given(value, 'text')}"
        for name in ("state", "service", "organisation")
        if (value := getattr(filters, name)) is not None
    ]
    if needs:
        conditions.append(
            "EXISTS (SELECT FROM referrals AS r WHERE r.authority_id = $1 AND r.request_id = q.request_id AND "
            + " AND ".join(needs)
            + ")"
        )
    if filters.channel is not None:
        conditions.append(f"q.channel = {given(filters.channel, 'text')}")
    if filters.tag is not None:
        conditions.append(
            "EXISTS (SELECT FROM request_tags AS t WHERE t.authority_id = $1 AND t.request_id = q.request_id"
            f" AND t.tag = {given(filters.tag, 'text')})"
        )
    return conditions


def at(moment: datetime) -> UUID:
    """The lowest id of that moment: ids begin with their time."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)
