"""What can go wrong on the way through, as the gateway's own errors.

GatewayError
├── StartError           the process cannot start; the message tells an operator what to mend
├── StoreUnavailable     the database cannot be reached or did not answer: nothing was acknowledged
├── Overloaded           more is in flight than this process takes; try again shortly
├── NotFound             no such thing in this authority
├── Forbidden            the caller is known, and may not
├── InvalidInput         what was sent cannot be taken; says where and why
└── Conflict             what was asked does not fit what is there
    ├── Stale            it has changed since the caller read it
    ├── KeyInFlight      the same idempotency key is being worked on right now
    └── KeyReused        the same idempotency key came with another body
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of the gateway's errors. The message is safe to show and to log."""


class StartError(GatewayError):
    """The process cannot start. Printed without a traceback; exit code 2."""


class StoreUnavailable(GatewayError):
    """The database is away, or a commit's outcome is unknown. The caller may safely try again with the same key."""

    def __init__(self, message: str = "the store cannot be reached", *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(GatewayError):
    """More requests are waiting than this process will hold."""

    def __init__(self, message: str = "too many requests in flight", *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFound(GatewayError):
    """There is no such thing, or it belongs to another authority."""


class Forbidden(GatewayError):
    """The caller is known, and this is not theirs to do."""


class InvalidInput(GatewayError):
    """One field cannot be taken. `pointer` is a JSON pointer to it."""

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class Conflict(GatewayError):
    """What was asked does not fit the state of things."""


class Stale(Conflict):
    """It is another version than the caller looked at. `version` is what it is now."""

    def __init__(self, message: str, *, version: int) -> None:
        super().__init__(message)
        self.version = version


class KeyInFlight(Conflict):
    """The first request with this idempotency key has not been answered yet."""


class KeyReused(Conflict):
    """This idempotency key was used before with another body."""
