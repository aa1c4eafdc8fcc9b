"""Accepted requests to write."""

from __future__ import annotations

import pytest

from gateway.identifiers import new_reference, uuid7
from gateway.model import Accepted, Delivery, Event, Priority, Referral, Request, State
from routing_rules.decision import Action, Decision, Part


@pytest.fixture
def make(clock):
    """Make an accepted request with one referral to one organisation."""

    def make(
        authority="barnet",
        organisation="re",
        *,
        reference=None,
        text="a pothole",
        priority=Priority.NORMAL,
        chain=(),
    ):
        now = clock.now()
        request = Request(
            authority_id=authority,
            request_id=uuid7(now),
            reference=reference or new_reference("BAR"),
            channel="phone",
            text=text,
            citizen={"name": "Ann"},
            postcode="N12 0AB",
            decision=Decision(
                parts=[Part(text=text, action=Action.ROUTE, service="pothole", organisation=organisation)]
            ),
            created_at=now,
            created_by="test",
            trace_id="0" * 31 + "1",
        )
        referral = Referral(
            authority_id=authority,
            referral_id=uuid7(now),
            request_id=request.request_id,
            part=1,
            text=text,
            service="pothole",
            organisation=organisation,
            state=State.ROUTED,
            priority=priority,
            chain=list(chain),
            created_at=now,
        )
        delivery = Delivery(
            authority_id=authority,
            delivery_id=uuid7(now),
            referral_id=referral.referral_id,
            request_id=request.request_id,
            organisation=organisation,
            role="lead",
            priority=priority,
            due_at=now,
            traceparent=f"00-{request.trace_id}-0000000000000001-01",
        )
        event = Event(
            authority_id=authority,
            event_id=uuid7(now),
            request_id=request.request_id,
            referral_id=None,
            at=now,
            kind="received",
            actor="test",
            detail={},
        )
        return Accepted(request=request, referrals=[referral], deliveries=[delivery], events=[event])

    return make
