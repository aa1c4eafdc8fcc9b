"""What was in the way of a hand-over, as one of a few words that ops can count and act on."""

from __future__ import annotations

import ssl

import aiohttp

from adapters.base import DeliveryError

_LOGIN = {401, 403, 407, 530, 534, 535, 538}
"""HTTP's and SMTP's ways of saying that we are not who we must be."""
_BUSY = {421, 425, 429, 450, 451, 452, 503}


def fault_of(error: BaseException) -> str:
    """One of `metrics.FAULTS`: by the status that came back, or by what broke the connection."""
    status = error.status if isinstance(error, DeliveryError) else None
    if status in _LOGIN:
        return "login"
    if status in _BUSY:
        return "busy"
    if status is not None:
        return "answer"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError | aiohttp.ClientSSLError):
            return "certificate"
        if isinstance(seen, TimeoutError):
            return "timeout"
        seen = seen.__cause__ or seen.__context__
    return "connection"
