"""Whether danger that was found in a short answer is there, or only seems so because the answer stands alone.

"I don't know" or a phone number, said to a question, is no message: what finds danger in messages can be wrong about it
either way. So an answer of a few words is read together with what it belongs to; words that name danger for sure count
wherever they stand. A whole message is never doubted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Final

from gateway.chat.model import Conversation, Holder, Stage
from routing_rules.safety.patterns import Patterns

FEW_WORDS: Final = 3
_ANSWERING: Final = frozenset({Stage.ASKING, Stage.CALL_BACK, Stage.PROVING})
_LETTERS: Final = re.compile(r"[^\W\d_]{3,}")


def is_mere_answer(
    conversation: Conversation, text: str, find_danger: Callable[[str], object | None]
) -> bool:
    """Whether danger found in this text alone is to be doubted. Takes milliseconds: run it off the event loop."""
    answering = conversation.talk.stage in _ANSWERING
    if not answering and conversation.holder is Holder.DOOR:
        return False
    words = [word for word in text.split() if _LETTERS.search(word) and "@" not in word]
    if len(words) > FEW_WORDS or any(_patterns().read(text).sure.values()):
        return False
    told = conversation.talk.words
    return not told or not words or find_danger(f"{told}\n{text}") is None


@functools.cache
def _patterns() -> Patterns:
    return Patterns()
