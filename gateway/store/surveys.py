"""How it was: answers to the survey, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, for one service by one organisation (both `None` where nothing was handed over)."""

    survey_id: UUID
    about: str
    """The conversation's id, or the request's reference."""
    channel: str
    organisation: str | None
    service: str | None
    score: int
    words: str | None
    fixed: bool | None
    at: datetime


class Satisfaction(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers for one service by one organisation over one channel come to."""

    organisation: str | None
    service: str | None
    channel: str
    answers: int
    satisfied: int
    """Scores of 4 and 5."""
    mean: float
    not_fixed: int


async def keep(connection: Connection, authority: str, answer: Answered) -> bool:
    """Keep an answer; a later one about the same replaces it. Whether it is the first."""
    row: Any = await connection.fetchval(
        "INSERT INTO surveys (authority_id, survey_id, about, channel, organisation, service, score, words, fixed, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (authority_id, about, coalesce(organisation, ''), coalesce(service, '')) DO UPDATE"
        " SET score = excluded.score, words = excluded.words, fixed = excluded.fixed, at = excluded.at"
        " RETURNING survey_id",
        *(
            authority,
            answer.survey_id,
            answer.about,
            answer.channel,
            answer.organisation,
            answer.service,
            answer.score,
        ),
        *(answer.words, answer.fixed, answer.at),
    )
    return bool(row == answer.survey_id)


async def satisfaction(
    connection: Connection, authority: str, since: datetime, until: datetime
) -> list[Satisfaction]:
    """What was answered from `since` until before `until`, by organisation, service and channel."""
    rows = await connection.fetch(
        "SELECT organisation, service, channel, count(*) AS answers, count(*) FILTER (WHERE score >= 4) AS satisfied,"
        " avg(score)::float8 AS mean, count(*) FILTER (WHERE fixed IS FALSE) AS not_fixed FROM surveys"
        " WHERE authority_id = $1 AND at >= $2 AND at < $3 GROUP BY organisation, service, channel"
        " ORDER BY organisation NULLS LAST, service NULLS LAST, channel",
        *(authority, since, until),
    )
    return [Satisfaction(**dict(row)) for row in rows]


async def handed_over(
    connection: Connection, authority: str, references: Sequence[str]
) -> list[tuple[str | None, str | None]]:
    """(organisation, service) of everything that these requests asked for."""
    rows = await connection.fetch(
        "SELECT DISTINCT r.organisation, r.service FROM referrals AS r JOIN requests AS q USING (authority_id, request_id)"
        " WHERE q.authority_id = $1 AND q.reference = ANY($2)",
        *(authority, references),
    )
    return [(row["organisation"], row["service"]) for row in rows]
