"""The demo's side of the API: what a council's own software would do, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec


class Front(msgspec.Struct):
    """One request that was sent, and what is known of it."""

    authority: str
    text: str
    reference: str
    row: dict[str, Any] | None = None

    @property
    def referrals(self) -> list[dict[str, Any]]:
        """Its parts as last read."""
        return [] if self.row is None else self.row["referrals"]

    @property
    def delivered(self) -> bool:
        """Whether every part is with its organisation, under that organisation's reference, and status came back."""
        return bool(self.referrals) and all(_is_delivered(referral) for referral in self.referrals)


def _is_delivered(referral: dict[str, Any]) -> bool:
    leads = [each for each in referral["deliveries"] if each["role"] == "lead" and each["external_reference"]]
    with_staff = any(each["external_status"] == "waiting_for_staff" for each in leads)
    return bool(leads) and (referral["state"] in {"in_progress", "resolved"} or with_staff)


class Caller:
    """Talks to the gateway, trying again while it is away."""

    def __init__(self, base: str, keys: dict[str, str]) -> None:
        self._base = base
        self._keys = keys
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    def use(self, keys: dict[str, str]) -> None:
        """Call with these keys, by authority."""
        self._keys = keys

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()

    async def ready(self, within: float) -> bool:
        """Whether the gateway is ready within so many seconds."""
        for _ in range(int(within / 0.1)):
            try:
                async with self._session.get(f"{self._base}/readyz") as answer:
                    if answer.status == 200:
                        return True
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)
        return False

    async def send(self, authority: str, body: dict[str, Any], key: str) -> Front:
        """Send one request; with the same `key` it may be sent again without harm."""
        answer = await self._ask(
            "POST", authority, "/api/v1/requests", json=body, headers={"Idempotency-Key": key}
        )
        return Front(authority, body["text"], answer["reference"])

    async def refresh(self, front: Front) -> None:
        """Read how it stands."""
        front.row = await self._ask("GET", front.authority, f"/api/v1/requests/{front.reference}")

    async def organisations(self, authority: str) -> dict[str, dict[str, Any]]:
        """The organisations of an authority by code."""
        answer = await self._ask("GET", authority, "/api/v1/organisations")
        return {each["code"]: each for each in answer}

    async def _ask(self, method: str, authority: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._keys[authority]}", **options.pop("headers", {})}
        failure: Exception | None = None
        for _ in range(100):
            try:
                async with self._session.request(
                    method, self._base + path, headers=headers, **options
                ) as answer:
                    if answer.status not in {409, 503}:
                        answer.raise_for_status()
                        return await answer.json()
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                failure = error
            await asyncio.sleep(0.2)
        raise TimeoutError("the gateway does not answer") from failure
