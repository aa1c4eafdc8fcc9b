"""Finding requests by words, name, phone, e-mail address, postcode or reference, however they were typed.

`request_search` holds what a request can be found by; `search_words` every word that occurs. A word that was misspelt, by
the citizen or in the search box, finds its neighbours among those words by their trigrams; the requests are then found by
whole words, which stays quick among millions.

What looks by likeness runs within `searching`, finds ids alone, and names the authority itself, since no policy does it
there. What was found is then read within `scoped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from gateway.store.pool import Connection
from gateway.store.scope import as_searcher
from gateway.work.words import Keys, Question, near

_HERE: Final = "current_setting('front_door.authority')"
"""The authority that the transaction names."""


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
WHERE length(w.lexeme) BETWEEN 3 AND 40 AND w.lexeme !~ '[0-9]' ORDER BY 2 ON CONFLICT DO NOTHING
"""


async def keep(connection: Connection, authority: str, found: Sequence[tuple[UUID, Keys]]) -> None:
    """Make requests findable."""
    columns: list[list[Any]] = [
        [request_id for request_id, _ in found],
        *([getattr(keys, name) for _, keys in found] for name in Keys.__struct_fields__),
    ]
    await connection.execute(_KEEP, authority, *columns)


async def forget(connection: Connection, authority: str, requests: Sequence[UUID]) -> None:
    """Make requests unfindable, and forget words that no other has: for erasure, within a `scoped` transaction."""
    # First what is still to be taken in: if that happens right now, it is waited for, and then forgotten below.
    await connection.execute(
        "DELETE FROM fresh_requests WHERE authority_id = $1 AND request_id = ANY($2)",
        authority,
        list(requests),
    )
    rows = await connection.fetch(
        "WITH gone AS (DELETE FROM request_search WHERE authority_id = $1 AND request_id = ANY($2) RETURNING words)"
        " SELECT DISTINCT w.lexeme FROM gone, unnest(gone.words) AS w",
        *(authority, list(requests)),
    )
    async with as_searcher(connection):
        rows = await connection.fetch(
            "SELECT word FROM unnest($1::text[]) AS t (word) WHERE NOT EXISTS (SELECT FROM request_search AS o"  # noqa: S608  names are ours, values are parameters
            f" WHERE o.authority_id = {_HERE} AND o.words @@ quote_literal(word)::tsquery)",
            [row["lexeme"] for row in rows],
        )
    await connection.execute(
        "DELETE FROM search_words WHERE authority_id = $1 AND word = ANY($2)",
        *(authority, [row["word"] for row in rows]),
    )


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A word that was typed, and how it stands in what is searched."""

    typed: str
    forms: tuple[str, ...]
    """As an English stem, and as it is."""

    @property
    def query(self) -> str:
        """As a query: the word itself, and what it may be the beginning of."""
        own = [_quoted(form) for form in self.forms]
        return " | ".join([*own, f"{_quoted(self.typed)}:*"] if len(self.typed) > 2 else own)


async def read_words(connection: Connection, typed: Sequence[str]) -> list[Word]:
    """Words as they stand in what is searched; "the" and "my" among others say nothing and are left out."""
    if not typed:
        return []
    rows = await connection.fetch(
        "SELECT typed, to_tsvector('english', typed) = '' AS empty, ARRAY(SELECT DISTINCT lexeme"
        "   FROM unnest(to_tsvector('english', typed) || to_tsvector('simple', typed)) ORDER BY lexeme) AS forms"
        " FROM unnest($1::text[]) AS t (typed)",
        list(typed),
    )
    words = [
        (row["empty"], Word(typed=row["typed"], forms=tuple(row["forms"]))) for row in rows if row["forms"]
    ]
    return [word for empty, word in words if not empty or len(words) == 1]


async def known(connection: Connection, reference: str) -> bool:
    """Whether a request has this reference. Within `searching`."""
    found: bool = await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM requests WHERE authority_id = {_HERE} AND reference = $1)",  # noqa: S608  the name is ours
        reference,
    )
    return found


def exactly(words: Sequence[Word]) -> str | None:
    """The query for what fits as typed; `None`: there are no words."""
    return " & ".join(f"({word.query})" for word in words) or None


async def alike(connection: Connection, words: Sequence[Word]) -> str | None:
    """The query for what fits by words that are spelt alike; `None`: none is. Within `searching`."""
    await connection.execute("SELECT set_config('pg_trgm.similarity_threshold', '0.3', true)")
    rows = await connection.fetch(
        f"SELECT ARRAY(SELECT s.word FROM search_words AS s WHERE s.authority_id = {_HERE} AND length(typed) > 3"  # noqa: S608  names are ours, values are parameters
        "   AND s.word % typed ORDER BY similarity(s.word, typed) DESC LIMIT 40) AS candidates"
        " FROM unnest($1::text[]) AS t (typed)",
        [word.typed for word in words],
    )
    parts = []
    for word, row in zip(words, rows, strict=True):
        also = {each for form in (word.typed, *word.forms) for each in near(form, row["candidates"])}
        parts.append(" | ".join([word.query, *map(_quoted, sorted(also - set(word.forms)))]))
    return " & ".join(f"({part})" for part in parts) if parts != [word.query for word in words] else None


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


LATELY: Final = 20_000
"""How many of the latest are looked through before the index of words is asked."""


PATIENCE: Final = 0.25
"""Seconds that one look may take, of the two at most that a page needs."""


async def find(
    connection: Connection,
    question: Question,
    filters: Filters,
    *,
    words: str | None,
    but: str | None = None,
    before: UUID | None,
    limit: int,
    patience: float = PATIENCE,
) -> tuple[list[UUID], bool]:
    """Ids of a page of requests, newest first: those older than `before`, and not those that fit the words `but`.

    And whether all were looked through: a look that takes longer than `patience` (seconds) is given up, and what the look
    before it found stands.

    What is common fills a page from the latest alone, where an index would bring hundreds of thousands to sort. What does
    not is rare, and then the index brings few. So neither costs more as the years go by. Within `searching`.
    """
    keyed = question.phone or question.email or question.postcode  # few, and straight from their index
    rows: list[Any] = []
    for lately in (False,) if keyed or words is None else (True, False):
        sql, values = statement(
            *(question, filters),
            words=words,
            but=but,
            before=before,
            limit=limit,
            lately=lately,
        )
        try:
            async with connection.transaction():  # so that what is given up spoils no more than itself
                # Which index is best depends on how common the words are: let it be planned for these.
                await connection.execute(
                    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
                    " set_config('enable_seqscan', 'off', true), set_config('statement_timeout', $1, true)",
                    str(max(1, round(patience * 1000))),
                )
                rows = await connection.fetch(sql, *values)
        except asyncpg.QueryCanceledError:
            return [row["request_id"] for row in rows], False
        if len(rows) >= limit:
            break
    return [row["request_id"] for row in rows], True


async def read(connection: Connection, authority: str, requests: Sequence[UUID]) -> list[Found]:
    """What was found, newest first. Within `scoped`."""
    rows = await connection.fetch(
        "SELECT q.request_id, q.reference, q.channel, left(q.text, 200) AS text, q.emergency, q.postcode, q.created_at,"
        " coalesce((SELECT jsonb_agg(jsonb_build_object('referral_id', r.referral_id, 'service', r.service,"
        "   'organisation', r.organisation, 'state', r.state, 'priority', r.priority, 'version', r.version) ORDER BY r.part)"
        "   FROM referrals AS r WHERE r.authority_id = $1 AND r.request_id = q.request_id), '[]') AS referrals"
        " FROM requests AS q WHERE q.authority_id = $1 AND q.request_id = ANY($2) ORDER BY q.request_id DESC",
        *(authority, list(requests)),
    )
    return [Found(**dict(row)) for row in rows]


def statement(
    question: Question,
    filters: Filters,
    *,
    words: str | None,
    but: str | None = None,
    before: UUID | None,
    limit: int,
    lately: bool,
) -> tuple[str, list[Any]]:
    """The query for ids and its parameters: among the latest alone, or among all by the index of what was typed."""
    values: list[Any] = []

    def given(value: Any, kind: str) -> str:
        values.append(value)
        return f"${len(values)}::{kind}"

    keys = _by_keys(question, words, but, given)
    conditions = _narrow(filters, given)
    if question.reference is not None:
        conditions.append(f"q.reference = {given(question.reference, 'text')}")
    times = [
        f"request_id {sign} {given(bound, 'uuid')}"
        for sign, bound in (
            ("<", before),
            (">=", at(filters.since) if filters.since else None),
            ("<", at(filters.until) if filters.until else None),
        )
        if bound is not None
    ]
    within = " AND ".join([f"authority_id = {_HERE}", *times])
    if not keys:
        source = f"(SELECT request_id, reference, channel FROM requests WHERE {within}) AS q"  # noqa: S608  names are ours, values are parameters
    elif lately:
        source = (
            f"(SELECT * FROM request_search WHERE {within} ORDER BY request_id DESC LIMIT {LATELY}) AS s"  # noqa: S608  names are ours, values are parameters
            f" JOIN requests AS q ON q.authority_id = {_HERE} AND q.request_id = s.request_id"
        )
        conditions = [*keys, *conditions]
    else:
        hits = " AND ".join([within, *keys])
        source = f"(SELECT request_id FROM request_search AS s WHERE {hits} OFFSET 0) AS s"  # noqa: S608  names are ours, values are parameters
        source += f" JOIN requests AS q ON q.authority_id = {_HERE} AND q.request_id = s.request_id"
    narrowed = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = (
        f"SELECT q.request_id FROM {source}{narrowed}"  # noqa: S608  names are ours, values are parameters
        f" ORDER BY {'s' if keys else 'q'}.request_id DESC LIMIT {given(limit, 'int')}"
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
            f"EXISTS (SELECT FROM referrals AS r WHERE r.authority_id = {_HERE} AND r.request_id = q.request_id AND "
            + " AND ".join(needs)
            + ")"
        )
    if filters.channel is not None:
        conditions.append(f"q.channel = {given(filters.channel, 'text')}")
    if filters.tag is not None:
        conditions.append(
            f"EXISTS (SELECT FROM request_tags AS t WHERE t.authority_id = {_HERE} AND t.request_id = q.request_id"
            f" AND t.tag = {given(filters.tag, 'text')})"
        )
    return conditions


def at(moment: datetime) -> UUID:
    """The lowest id of that moment: ids begin with their time."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)
