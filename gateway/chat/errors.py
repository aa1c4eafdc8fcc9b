"""What can be refused in a conversation.

Conflict
├── ConversationClosed   it has ended: a new one must be begun
├── OutOfOrder           the choice belongs to a question that does not stand any more
├── SaidBefore           the very message has been written meanwhile; never leaves this package
└── NotYours             another agent has it, or the lease ran out
"""

from __future__ import annotations

from gateway.errors import Conflict


class ConversationClosed(Conflict):
    """It has ended: a new one must be begun."""


class OutOfOrder(Conflict):
    """The choice belongs to a question that does not stand any more."""


class SaidBefore(Conflict):
    """The very message has been written meanwhile."""


class NotYours(Conflict):
    """Somebody else has it, or the lease ran out."""
