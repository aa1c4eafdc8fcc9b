"""One suite that every adapter passes against its sandbox."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from adapters.base import (
    Adapter,
    CallbackRejected,
    Deduplication,
    DeliveryError,
    Handover,
    Receipt,
    Refused,
    StatusUpdate,
    Unavailable,
    Uncertain,
)
from adapters.elapsed import elapsed
from adapters.sandbox.core import Mode, Scope
from adapters.sandbox.tls import self_signed
from tests.adapters.conformance import (
    EXPECTED,
    FULL_FIELDS,
    PATIENCE,
    TIMEOUT,
    WORDS,
    Bench,
    Case,
    bench,
    handover,
    limits,
    load_cases,
)

CASES = load_cases()
NETWORKED = [case for case in CASES if case.network]
OUT_OF_TIME = (Mode.SLOW, Mode.HANG_BEFORE_ACCEPT, Mode.HANG_AFTER_ACCEPT)
FAULTS = [
    pytest.param(case, mode, id=f"{case.name}-{mode}")
    for case in NETWORKED
    for mode in EXPECTED
    if case.outcome(mode) is not None and mode not in OUT_OF_TIME
]
every_case = pytest.mark.parametrize("case", NETWORKED, ids=lambda case: case.name)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate that nobody trusts unless told to."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_it_keeps_the_contract(case: Case) -> None:
    """An adapter has everything the courier asks of it, and closing it twice or unused is harmless."""
    if not case.network:
        adapter = case.adapter({})
    else:
        async with bench(case) as at:
            adapter = at.adapter
    assert isinstance(adapter, Adapter)
    assert adapter.protocol == case.protocol
    assert isinstance(adapter.deduplication, Deduplication)
    assert isinstance(adapter.polls, bool)
    await adapter.close()
    await adapter.close()


@pytest.mark.parametrize("case", [case for case in CASES if not case.network], ids=lambda case: case.name)
async def test_one_without_a_back_end_hands_over_at_once(case: Case) -> None:
    """Where there is no back end a hand-over ends in a receipt, the same for every attempt."""
    adapter = case.adapter({})
    given = handover(case)
    first = await adapter.deliver(given)
    again = await adapter.deliver(given)
    assert first.external_reference
    assert again.external_reference == first.external_reference


@every_case
async def test_accept(case: Case) -> None:
    """A hand-over ends in a receipt with the organisation's reference, and in one effect there."""
    async with bench(case) as at:
        given = at.handover()
        receipt = await at.adapter.deliver(given)
        assert at.ledger.effects(given.delivery_id) == 1
        (opened,) = at.ledger.by_delivery(given.delivery_id)
        assert refers_to(at, receipt, given)
        assert any(WORDS in value for value in opened.fields.values())


@every_case
async def test_the_same_delivery_again(case: Case) -> None:
    """A delivery that is repeated after all has one effect, and the same receipt, where that is promised."""
    async with bench(case) as at:
        given = at.handover()
        first = await at.adapter.deliver(given)
        second = await again(at, given)
        if second is None:
            return
        assert second.external_reference == first.external_reference
        assert second.duplicate or not case.tells_duplicates
        assert at.ledger.effects(given.delivery_id) == 1


@pytest.mark.parametrize(("case", "mode"), FAULTS)
async def test_fault(case: Case, mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong is named for what it is, and trying again as promised ends in one effect."""
    caplog.set_level(logging.DEBUG)
    await fail_and_try_again(case, mode)
    assert WORDS not in caplog.text


@every_case
async def test_out_of_time(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Slow, silent before or after it took the hand-over: uncertain; no connection in time: unavailable."""
    caplog.set_level(logging.DEBUG)
    modes = [mode for mode in OUT_OF_TIME if case.outcome(mode) is not None]
    waiting = [fail_and_try_again(case, mode, patience=TIMEOUT) for mode in modes]
    await asyncio.gather(*waiting, knock_in_vain(case))
    assert WORDS not in caplog.text


async def fail_and_try_again(case: Case, mode: Mode, *, patience: float = PATIENCE) -> None:
    """Deliver under a fault, check what that ended in, and try again as the adapter's promise allows."""
    async with bench(case, patience=patience) as at:
        at.backend.faults.set(mode, count=1, delay=delay_of(mode), retry_after=7)
        for _ in range(5):
            given = at.handover()
            outcome = await attempt(at.adapter, given)
            if at.backend.faults.committed:
                break
            # On a machine too busy even to connect in so little time, nothing was tried yet.
            assert type(outcome) is Unavailable
        assert type(outcome) is case.outcome(mode), f"{mode}: {outcome!r}"
        assert at.backend.faults.committed == 1
        await settle(at)

        if isinstance(outcome, Receipt):
            assert at.ledger.effects(given.delivery_id) == 1
            assert refers_to(at, outcome, given)
        elif isinstance(outcome, Refused):
            assert at.ledger.effects(given.delivery_id) == 0
        elif isinstance(outcome, Unavailable):
            assert at.ledger.effects(given.delivery_id) == 0
            if mode in (Mode.HTTP_429, Mode.HTTP_503):
                assert outcome.retry_after == 7
            receipt = await at.adapter.deliver(given)
            assert refers_to(at, receipt, given)
            assert at.ledger.effects(given.delivery_id) == 1
        else:
            assert isinstance(outcome, Uncertain)
            # Where the back end cannot tell, the courier stops here and a person looks.
            after = await again(at, given)
            if after is None:
                assert at.adapter.deduplication is Deduplication.NONE
                assert at.ledger.effects(given.delivery_id) <= 1
            else:
                assert refers_to(at, after, given)
                assert at.ledger.effects(given.delivery_id) == 1
        assert not isinstance(outcome, DeliveryError) or WORDS not in f"{outcome!r} {outcome.detail}"


@pytest.mark.parametrize(
    "case", [case for case in NETWORKED if case.outcome(Mode.SLOW) is not None], ids=lambda case: case.name
)
async def test_slow_but_in_time(case: Case) -> None:
    """An organisation that takes its time, but not too much, is waited for."""
    async with bench(case) as at:
        given = at.handover()
        at.backend.faults.set(Mode.SLOW, count=1, delay=TIMEOUT / 4)
        receipt = await at.adapter.deliver(given)
        assert refers_to(at, receipt, given)
        assert at.ledger.effects(given.delivery_id) == 1


@every_case
async def test_nobody_listens(case: Case) -> None:
    """Where nobody listens nothing can have been taken: unavailable, and safe to try again."""
    async with bench(case) as at:
        table = case.connection(at.backend) | limits()
    adapter = case.adapter(table)
    try:
        assert type(await attempt(adapter, handover(case))) is Unavailable
    finally:
        await adapter.close()


async def knock_in_vain(case: Case) -> None:
    """Deliver to a machine that never answers the knock."""
    async with bench(case) as at:
        table = case.connection(at.backend)
    with socket.socket() as full:
        # A listener whose queue is full ignores further knocks, as a firewall does.
        full.bind(("127.0.0.1", port_of(table)))
        full.listen(0)
        knocks = [socket.socket() for _ in range(4)]
        for knock in knocks:
            knock.setblocking(False)
            knock.connect_ex(full.getsockname())
        adapter = case.adapter(table | {"timeout": PATIENCE, "connect_timeout": TIMEOUT})
        try:
            assert type(await attempt(adapter, handover(case))) is Unavailable
        finally:
            await adapter.close()
            for knock in knocks:
                knock.close()


@pytest.mark.parametrize("case", [case for case in NETWORKED if case.tls], ids=lambda case: case.name)
async def test_tls_failure(case: Case, certificate: Path) -> None:
    """Without trust nothing is handed over; with trust in that very certificate it is."""
    async with bench(case, certificate=certificate, trusted=False) as at:
        given = at.handover()
        assert type(await attempt(at.adapter, given)) is Unavailable
        assert at.ledger.effects(given.delivery_id) == 0
    async with bench(case, certificate=certificate) as at:
        given = at.handover()
        assert refers_to(at, await at.adapter.deliver(given), given)


@every_case
async def test_what_is_late_is_not_sent(case: Case) -> None:
    """Past its time nothing leaves any more for a back end that another courier may just have asked."""
    async with bench(case) as at:
        if at.adapter.deduplication is not Deduplication.LOOKUP:
            return
        await at.adapter.deliver(at.handover())  # with a connection that is kept, and one that is not
        for _ in range(2):
            given = replace(at.handover(), send_by=elapsed() - 0.001)
            assert type(await attempt(at.adapter, given)) is Unavailable
            assert at.ledger.effects(given.delivery_id) == 0
        given = replace(given, send_by=elapsed() + 60)
        assert refers_to(at, await at.adapter.deliver(given), given)


@every_case
async def test_many_at_once(case: Case) -> None:
    """One adapter serves many tasks at once, and each gets its own receipt."""
    async with bench(case) as at:
        given = [at.handover() for _ in range(60)]
        receipts = await asyncio.gather(*(at.adapter.deliver(one) for one in given))
        assert all(refers_to(at, receipt, one) for receipt, one in zip(receipts, given, strict=True))
        assert len({receipt.external_reference for receipt in receipts}) == 60
        assert [at.ledger.effects(one.delivery_id) for one in given] == [1] * 60


@every_case
async def test_a_back_end_that_was_restarted(case: Case, tmp_path: Path) -> None:
    """A back end that was restarted in between still knows the delivery, so there is still one effect."""
    path = tmp_path / "ledger.jsonl"
    async with bench(case, path=path) as at:
        given = at.handover()
        first = await at.adapter.deliver(given)
    async with bench(case, path=path) as at:
        second = await again(at, given)
        if second is not None:
            assert second.external_reference == first.external_reference
        assert at.ledger.effects(given.delivery_id) == 1


@every_case
async def test_lookup(case: Case) -> None:
    """A back end that can be asked says no before and yes after; one that babbles is unavailable."""
    async with bench(case) as at:
        given = at.handover()
        if at.adapter.deduplication is not Deduplication.LOOKUP:
            pytest.skip("not how this back end keeps one delivery from having two effects")
        assert await at.adapter.lookup(given.delivery_id) is None
        receipt = await at.adapter.deliver(given)
        found = await at.adapter.lookup(given.delivery_id)
        assert found is not None
        assert found.duplicate
        assert found.external_reference == receipt.external_reference
        for mode in (Mode.GARBAGE, Mode.WRONG_CONTENT_TYPE, Mode.TRUNCATED, Mode.HTTP_500, Mode.LOST_ANSWER):
            at.backend.faults.set(mode, scope=Scope.OTHER)
            with pytest.raises(Unavailable):
                await at.adapter.lookup(given.delivery_id)


@every_case
async def test_only_listed_fields_leave(case: Case) -> None:
    """What arrives beyond an empty hand-over is the one listed field and nothing else."""
    base = {name: FULL_FIELDS[name] for name in case.needs}
    async with bench(case) as at:

        async def arrived_of(fields: dict[str, str]) -> set[str]:
            delivery_id = "0195f0c2-0000-7000-8000-000000000001"
            at.ledger.reset()
            await at.adapter.deliver(at.handover(fields=fields, delivery_id=delivery_id))
            (opened,) = at.ledger.by_delivery(delivery_id)
            arrived = set(opened.fields.values())
            everything = opened.raw.decode(errors="replace") + " ".join(arrived)
            for name, value in FULL_FIELDS.items():
                assert name in fields or value not in everything, f"{name} left unlisted"
            return arrived

        empty = await arrived_of(base)
        for listed, value in FULL_FIELDS.items():
            beyond = await arrived_of(base | {listed: value}) - empty - case.words
            assert not [one for one in beyond if one not in value and value not in one], listed


@pytest.fixture
async def callbacks() -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Somewhere for status callbacks to arrive."""
    arrived: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers[":query"] = request.query_string
        arrived.append((headers, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{anything:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks/barnet/sandbox", arrived
    await runner.cleanup()


@pytest.mark.parametrize("case", [case for case in NETWORKED if case.statuses], ids=lambda case: case.name)
async def test_status_comes_back(
    case: Case, callbacks: tuple[str, list[tuple[dict[str, str], bytes]]]
) -> None:
    """The case moves along at the organisation, and each step comes back once, in order, in its own words."""
    url, arrived = callbacks
    async with bench(case, callback_url=url) as at:
        given = at.handover(callback_url=url)
        receipt = await at.adapter.deliver(given)
        seen: list[StatusUpdate] = []
        cursor: str | None = None
        for seconds in (1.0, 2.0, 3.0):  # one stage each
            changes = at.backend.lifecycle.advance(at.clock.forward(seconds))
            assert len(changes) == 1
            if at.adapter.polls:
                poll = await at.adapter.poll(cursor, [receipt.external_reference])
                cursor = poll.cursor
                seen += poll.updates
            else:
                await at.backend.publish(changes)
                await at.backend.flush()
        for headers, body in arrived:
            seen += at.adapter.read_callback(headers, body, at.clock.now)
        assert all(
            update.delivery_id == given.delivery_id or update.external_reference == receipt.external_reference
            for update in seen
        )
        assert all(update.at.tzinfo is not None for update in seen)
        # A repeated update carries the same id, so whoever keeps ids sees each once.
        once = list({update.update_id: update for update in seen}.values())
        assert tuple(update.status for update in once) == case.statuses


@pytest.mark.parametrize("case", [case for case in NETWORKED if case.statuses], ids=lambda case: case.name)
async def test_a_false_callback(
    case: Case, callbacks: tuple[str, list[tuple[dict[str, str], bytes]]]
) -> None:
    """A callback without proof, changed on the way, or full of nonsense is rejected with an HTTP status."""
    url, arrived = callbacks
    async with bench(case, callback_url=url) as at:
        if at.adapter.polls:
            with pytest.raises(CallbackRejected):
                at.adapter.read_callback({}, b"{}", at.clock.now)
            return
        await at.adapter.deliver(at.handover(callback_url=url))
        await at.backend.publish(at.backend.lifecycle.advance(at.clock.forward(1.5)))
        await at.backend.flush()
        ((headers, body),) = arrived
        assert at.adapter.read_callback(headers, body, at.clock.now)
        plain = {"content-type": headers["content-type"]}
        for false_headers, false_body in (
            (plain, body),
            ({}, body),
            (headers, b""),
            (headers, b"\xff{nonsense"),
        ):
            with pytest.raises(CallbackRejected) as rejected:
                at.adapter.read_callback(false_headers, false_body, at.clock.now)
            assert 400 <= rejected.value.status < 500


async def attempt(adapter: Adapter, given: Handover) -> Receipt | DeliveryError:
    """Deliver once and give what it ended in."""
    try:
        return await adapter.deliver(given)
    except DeliveryError as error:
        return error


async def again(at: Bench, given: Handover) -> Receipt | None:
    """Try again as the courier does after an uncertain outcome; None where it must not."""
    if at.adapter.deduplication is Deduplication.NONE:
        return None
    async with at.another() as adapter:
        found = None
        if adapter.deduplication is Deduplication.LOOKUP:
            found = await adapter.lookup(given.delivery_id)
        return found or await adapter.deliver(given)


async def settle(at: Bench) -> None:
    """Wait until what the fault was going to do is done, however late."""
    if at.backend.faults.fault.mode in (Mode.HANG_BEFORE_ACCEPT, Mode.HANG_AFTER_ACCEPT):
        at.backend.faults.clear()
    await at.backend.faults.quiet()
    at.backend.faults.clear()


def delay_of(mode: Mode) -> float | None:
    """Seconds for a fault: slow outlasts the adapter's patience, a hang lasts until it is ended."""
    return TIMEOUT * 1.5 if mode is Mode.SLOW else None


def refers_to(at: Bench, receipt: Receipt, given: Handover) -> bool:
    """Whether a receipt leads to the effect of this delivery: by the organisation's reference or ours."""
    effects = at.ledger.by_delivery(given.delivery_id)
    ours = at.case.reference(given.delivery_id)
    return receipt.external_reference in {case.external_reference for case in effects} | {ours}


def port_of(table: dict[str, object]) -> int:
    """Find the port that a connection table leads to."""
    if isinstance(table.get("port"), int):
        return int(str(table["port"]))
    return int(str(table["url"]).rpartition(":")[2].partition("/")[0])
