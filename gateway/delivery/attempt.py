"""One attempt: call the adapter, and say what its ending means for the delivery."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from adapters.base import Deduplication, Handover, Receipt, Refused, Unavailable, Uncertain
from gateway.delivery.faults import fault_of
from gateway.delivery.line import Line
from gateway.model import DeliveryState
from gateway.store.claims import Claim

log = structlog.get_logger()

MOST_EXPIRED: Final = 8
"""So many times a delivery may outlive the courier that had it; after that it is likely what ends them."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt and what the delivery becomes."""

    outcome: str
    """`accepted`, `refused`, `unavailable` or `uncertain`."""
    state: DeliveryState
    detail: str
    status: int | None = None
    wait: timedelta = timedelta()
    """Until the next attempt, while `state` is waiting."""
    check_first: bool = False
    receipt: Receipt | None = None
    fault: str | None = None
    """What was in the way (`metrics.FAULTS`), where it failed."""


async def attempt(  # noqa: PLR0911  one for each ending
    line: Line, claim: Claim, handover: Handover, *, within: float
) -> Result:
    """Hand over once, asking first where an earlier attempt may have arrived. Never raises but for cancellation.

    `within`: seconds until the claim's lease ends.
    """
    if (unasked := _without_asking(line, claim)) is not None:
        line.breaker.abandoned()  # nothing was asked of the organisation, so nothing was learnt of its health
        return unasked
    limit = line.organisation.delivery.timeout
    try:
        # The adapter keeps the limit itself; this is for one that does not, or that began late.
        async with asyncio.timeout(min(limit + 2, within)):
            receipt = await _deliver(line, claim, handover)
    except Refused as error:
        line.breaker.succeeded()
        return Result(
            outcome="refused", state=DeliveryState.REFUSED, detail=error.detail, status=error.status
        )
    except Unavailable as error:
        line.breaker.failed(error.retry_after, of=claim.delivery_id)
        result = _try_again(
            line,
            claim,
            "unavailable",
            error.detail,
            error.status,
            asked=error.retry_after,
            check=claim.check_first,
        )
        return replace(result, fault=fault_of(error))
    except Uncertain as error:
        line.breaker.failed(of=claim.delivery_id)
        return replace(_uncertain(line, claim, error.detail, error.status), fault=fault_of(error))
    except TimeoutError:
        line.breaker.failed(of=claim.delivery_id)
        return replace(_uncertain(line, claim, f"no answer within {limit:g} s", None), fault="timeout")
    except asyncio.CancelledError:
        line.breaker.abandoned()
        raise
    except Exception as error:
        line.breaker.failed(of=claim.delivery_id)
        log.exception("adapter failed", organisation=claim.organisation, reference=claim.reference)
        return _uncertain(line, claim, f"fault in the adapter: {type(error).__name__}", None)
    line.breaker.succeeded()
    return Result(outcome="accepted", state=DeliveryState.DELIVERED, detail=receipt.detail, receipt=receipt)


def _without_asking(line: Line, claim: Claim) -> Result | None:
    if claim.expired >= MOST_EXPIRED:
        detail = f"given up: {claim.expired} couriers that had it stopped answering"
        return Result(outcome="uncertain", state=DeliveryState.DEAD, detail=detail, check_first=True)
    if claim.check_first and line.adapter.deduplication is Deduplication.NONE:
        detail = "an earlier attempt may have arrived and this organisation cannot be asked"
        return Result(outcome="uncertain", state=DeliveryState.UNCERTAIN, detail=detail)
    return None


async def _deliver(line: Line, claim: Claim, handover: Handover) -> Receipt:
    if claim.check_first and line.adapter.deduplication is Deduplication.LOOKUP:
        found = await line.adapter.lookup(handover.delivery_id)
        if found is not None:
            return found
    return await line.adapter.deliver(handover)


def _uncertain(line: Line, claim: Claim, detail: str, status: int | None) -> Result:
    if line.adapter.deduplication is Deduplication.NONE:
        return Result(outcome="uncertain", state=DeliveryState.UNCERTAIN, detail=detail, status=status)
    return _try_again(line, claim, "uncertain", detail, status, check=True)


def _try_again(
    line: Line,
    claim: Claim,
    outcome: str,
    detail: str,
    status: int | None,
    *,
    check: bool,
    asked: float | None = None,
) -> Result:
    if claim.attempt >= line.organisation.delivery.max_attempts:
        return Result(
            outcome=outcome, state=DeliveryState.DEAD, detail=detail, status=status, check_first=check
        )
    return Result(
        outcome=outcome,
        state=DeliveryState.WAITING,
        detail=detail,
        status=status,
        wait=max(
            line.backoff(claim.attempt, asked=asked),
            line.settles if outcome == "uncertain" else timedelta(),
            timedelta(seconds=line.breaker.behind_others(claim.delivery_id)),
        ),
        check_first=check,
    )


def due_again(result: Result, now: datetime) -> datetime:
    """When a delivery that waits is due."""
    return now + result.wait
