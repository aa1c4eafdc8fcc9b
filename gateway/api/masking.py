"""What of a request each caller is shown: all, what their organisation is given anyway, or no citizen's details."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from msgspec.structs import replace

from gateway.callers import Caller
from gateway.store.reading import ReferralRow, RequestRow, SummaryRow
from routing_rules.authority import Authority

HIDDEN: Final = "[not shown]"
WORDS: Final = "description"
"""How an organisation's file calls the citizen's own words."""
_CODE: Final = re.compile(r"[a-z0-9_.:-]{1,60}")
_FREE: Final = {"reason", "because", "note", "name", "text", "words", "external_reference"}


def allowed_fields(caller: Caller, authority: Authority) -> Collection[str] | None:
    """The names of the fields that this caller may see; `None` for all of them."""
    if not caller.sees_details:
        return ()
    if caller.organisation is None:
        return None
    organisation = authority.organisations.get(caller.organisation)
    return () if organisation is None else organisation.sharing.fields


def shown(row: RequestRow, caller: Caller, authority: Authority) -> RequestRow:
    """A request as this caller sees it."""
    allowed = allowed_fields(caller, authority)
    if allowed is None:
        return row
    words = WORDS in allowed
    hidden = [name for name in row.citizen if name not in allowed]
    if row.postcode is not None and "postcode" not in allowed:
        hidden.append("postcode")
    if not words:
        hidden.append(WORDS)
    return replace(
        row,
        # The whole message may speak of needs that are others' to know: an organisation gets its own referrals' words.
        text=HIDDEN,
        citizen={name: value for name, value in row.citizen.items() if name in allowed},
        postcode=row.postcode if "postcode" in allowed else None,
        decision=_without_words(row.decision) if caller.organisation is None else {},
        referrals=[_referral(each, words=words) for each in row.referrals],
        messages=[replace(each, text=HIDDEN) for each in row.messages],
        call_backs=[replace(each, phone=None, note=HIDDEN) for each in row.call_backs],
        links=[replace(each, reason=HIDDEN) for each in row.links],
        events=[
            event if event.actor == caller.organisation else replace(event, detail=codes_only(event.detail))
            for event in row.events
        ],
        masked=sorted(hidden),
    )


def summary(row: SummaryRow, caller: Caller, authority: Authority) -> str:
    """The citizen's words as a list shows them to this caller."""
    return row.text[:200] if allowed_fields(caller, authority) is None else HIDDEN


def fields_shown(row: RequestRow) -> list[str]:
    """Which of the citizen's details an answer holds, by name."""
    found = sorted(row.citizen)
    if row.postcode is not None:
        found.append("postcode")
    if row.text != HIDDEN or any(each.text != HIDDEN for each in row.referrals):
        found.append(WORDS)
    return found


def codes_only(detail: dict[str, Any]) -> dict[str, Any]:
    """What of an event's detail is no free text."""
    return {name: value for name, value in detail.items() if name not in _FREE and _is_code(value)}


def _is_code(value: Any) -> bool:
    if isinstance(value, str):
        return _CODE.fullmatch(value) is not None
    if isinstance(value, list):
        return all(isinstance(each, str) and _is_code(each) for each in value)
    return value is None or isinstance(value, bool | int | float)


def _referral(row: ReferralRow, *, words: bool) -> ReferralRow:
    return row if words else replace(row, text=HIDDEN)


def _without_words(decision: dict[str, Any]) -> dict[str, Any]:
    parts = [{**part, "text": HIDDEN, "evidence": [], "reasons": []} for part in decision.get("parts", [])]
    emergency = decision.get("emergency")
    return {
        **decision,
        "parts": parts,
        "emergency": {**emergency, "evidence": []} if emergency else None,
        "given": {},
    }
