"""What ops watch of the chat and of satisfaction; never a label by citizen or conversation."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ChatMeters:
    """Metrics of conversations, in the process's registry."""

    def __init__(self, registry: CollectorRegistry, authorities: Iterable[str]) -> None:
        r = registry
        self.started = Counter(
            "front_door_chat_conversations", "Conversations begun", ["authority"], registry=r
        )
        self.messages = Counter(
            "front_door_chat_messages",
            "Messages taken, by who wrote them",
            ["authority", "author"],
            registry=r,
        )
        self.refused = Counter(
            "front_door_chat_refused",
            "Calls of the chat that were refused, by why",
            ["authority", "reason"],
            registry=r,
        )
        self.streams = Gauge(
            "front_door_chat_streams", "Streams of messages open in this process", registry=r
        )
        self.waiting = Gauge(
            "front_door_chat_waiting", "Conversations that wait for a person", ["authority"], registry=r
        )
        self.oldest_waiting = Gauge(
            "front_door_chat_oldest_waiting_timestamp_seconds",
            "Since when the longest wait for a person lasts (unix time); 0 if nobody waits",
            ["authority"],
            registry=r,
        )
        self.satisfaction = Counter(
            "front_door_satisfaction",
            "Answers to the survey, 1 very dissatisfied to 5 very satisfied",
            ["authority", "organisation", "service", "channel", "score"],
            registry=r,
        )
        for authority in authorities:
            self.started.labels(authority)
            self.waiting.labels(authority)
            self.oldest_waiting.labels(authority)
            for author in ("citizen", "agent"):
                self.messages.labels(authority, author)
            for reason in ("too-many", "foreign-origin", "token"):
                self.refused.labels(authority, reason)
