"""What ops watch: one registry a process, label sets made at start, never a label by citizen, case or member of staff."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

MILLISECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
MINUTES_TO_DAYS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86400, 2 * 86400, 7 * 86400)
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Every metric of the gateway, as attributes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "front_door_requests", "Requests accepted (durably stored)", ["authority", "channel"], registry=r
        )
        self.parts = Counter(
            "front_door_decisions",
            "Parts of requests by what was decided",
            ["authority", "action"],
            registry=r,
        )
        self.refused_input = Counter(
            "front_door_http_errors", "Answers of 400 and above", ["route", "status"], registry=r
        )
        self.http = Histogram(
            "front_door_http_seconds", "Time to answer over HTTP", ["route"], buckets=MILLISECONDS, registry=r
        )
        self.in_flight = Gauge("front_door_http_in_flight", "HTTP requests being answered", registry=r)
        self.decide = Histogram(
            "front_door_decide_seconds", "Time to understand and route", buckets=MILLISECONDS, registry=r
        )
        self.faults = Counter(
            "front_door_decide_faults", "Requests sent to triage because understanding failed", registry=r
        )
        self.corrections = Counter(
            "front_door_corrections", "Referrals that people gave another service or organisation", ["authority"],
            registry=r,
        )  # fmt: skip
        self.rules = Info("front_door_rules", "Which rules, catalogue and engine are in use", registry=r)
        self.reloads = Counter(
            "front_door_rules_reloads",
            "Times the rules were read again, by what came of it: loaded, unchanged, refused",
            ["outcome"],
            registry=r,
        )
        self.rules_refused = Gauge(
            "front_door_rules_refused", "1 while the rules in the folder are not the ones in use", registry=r
        )
        self.commit_batch = Histogram(
            "front_door_commit_batch_size", "Requests in one commit", buckets=BATCH, registry=r
        )
        self.deliveries = Counter(
            "front_door_delivery_attempts",
            "Attempts to hand over, by what came of it",
            ["authority", "organisation", "outcome"],
            registry=r,
        )
        self.attempt_seconds = Histogram(
            "front_door_delivery_attempt_seconds",
            "Time an organisation took to answer a hand-over",
            ["authority", "organisation"],
            buckets=MILLISECONDS,
            registry=r,
        )
        self.queue_wait = Histogram(
            "front_door_delivery_wait_seconds",
            "Time from acceptance until an organisation had it",
            ["authority", "organisation"],
            buckets=MINUTES_TO_DAYS,
            registry=r,
        )
        self.breaker = Gauge(
            "front_door_breaker_state",
            "0 closed, 1 half open, 2 open",
            ["authority", "organisation"],
            registry=r,
        )
        self.connected = Gauge(
            "front_door_organisation_connected",
            "1 where the organisation's back end is configured, 0 where its work goes to the worklist",
            ["authority", "organisation"],
            registry=r,
        )
        self.oldest_waiting = Gauge(
            "front_door_oldest_waiting_timestamp_seconds",
            "When the oldest delivery still waiting was made (unix time); 0 if none waits",
            ["authority", "organisation"],
            registry=r,
        )
        self.waiting = Gauge(
            "front_door_deliveries_waiting",
            "Deliveries not yet taken",
            ["authority", "organisation"],
            registry=r,
        )
        self.unresolved = Gauge(
            "front_door_deliveries_needing_a_person",
            "Deliveries that are dead or uncertain",
            ["authority", "organisation", "state"],
            registry=r,
        )
        self.alarms = Gauge(
            "front_door_safeguarding_unacknowledged",
            "Safeguarding alarms that no named person has answered",
            ["authority"],
            registry=r,
        )
        self.oldest_alarm = Gauge(
            "front_door_safeguarding_oldest_timestamp_seconds",
            "When the oldest unanswered safeguarding alarm was raised (unix time); 0 if none rings",
            ["authority"],
            registry=r,
        )
        self.audit_entries = Gauge(
            "front_door_audit_entries", "Rows in the audit chain; it only rises", ["authority"], registry=r
        )
        self.audit_chained_at = Gauge(
            "front_door_audit_chained_timestamp_seconds",
            "When this process last added to the audit chain (unix time)",
            ["authority"],
            registry=r,
        )
        self.clocks = Gauge(
            "front_door_promises",
            "Needs by how the promises to the citizen stand: running (all of them), soon (due within the hour), breached",
            ["authority", "standing"],
            registry=r,
        )
        self.statuses = Counter(
            "front_door_status_updates",
            "What organisations told us, by what we could make of it",
            ["authority", "organisation", "applied"],
            registry=r,
        )
        self.loop_lag = Histogram(
            "front_door_event_loop_lag_seconds",
            "How late the event loop wakes",
            buckets=MILLISECONDS,
            registry=r,
        )
        self.database_up = Gauge("front_door_database_up", "1 while the database answers", registry=r)

    def forget(self, authority: str, organisation: str) -> None:
        """Drop the labels of a line that is no more."""
        for metric in (
            self.deliveries,
            self.attempt_seconds,
            self.queue_wait,
            self.breaker,
            self.connected,
            self.oldest_waiting,
            self.waiting,
            self.unresolved,
        ):
            metric.remove_by_labels({"authority": authority, "organisation": organisation})

    def page(self) -> bytes:
        """The exposition that Prometheus scrapes."""
        return generate_latest(self.registry)
