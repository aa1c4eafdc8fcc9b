"""What ops watch: every metric of a process, label sets made at start, never a label by citizen, case or member of staff."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

from gateway.meters import Meters
from routing_rules.decision import Action

MILLISECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
MINUTES_TO_DAYS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86400, 2 * 86400, 7 * 86400)
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128)
SURENESS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)

CHANNELS: Final = ("phone", "chat", "web", "email", "open311", "in-person")
OUTCOMES: Final = ("accepted", "refused", "unavailable", "uncertain")
FAULTS: Final = ("certificate", "connection", "timeout", "login", "busy", "answer")
CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
NOT_TAKEN: Final = ("overloaded", "unavailable", "key-in-flight", "key-reused", "invalid", "fault")
POOLS: Final = ("staff", "courier", "intake")
LINE: Final = ("authority", "organisation")


class Metrics:
    """Every metric of the gateway, as attributes. Written by the event loop's thread alone."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """What the process says of itself: memory, processor, files, garbage. And whoever brings prometheus_client's own."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.meters = m = Meters()
        self._intake(m)
        self._http(m)
        self._rules(m)
        self._delivery(m)
        self._queues(m)
        self._keeping(m)

    def _intake(self, m: Meters) -> None:
        self.requests = m.counts(
            "front_door_requests", "Requests accepted (durably stored)", ["authority", "channel"]
        )
        self.replayed = m.count(
            "front_door_requests_replayed", "Requests that were sent again under the same Idempotency-Key"
        )
        self.not_taken = m.counts(
            "front_door_requests_not_taken", "Requests that were not accepted, by why", ["reason"]
        )
        self.intake_seconds = m.spread(
            "front_door_intake_seconds", "Time from a request's arrival until it is durable", MILLISECONDS
        )
        self.intake_in_flight = m.level(
            "front_door_intake_in_flight", "Requests being understood and stored right now"
        )
        self.parts = m.counts(
            "front_door_decisions", "Parts of requests by what was decided", ["authority", "action"]
        )
        self.decide = m.spread("front_door_decide_seconds", "Time to understand and route", MILLISECONDS)
        self.sureness = m.spreads(
            "front_door_decision_confidence_ratio",
            "How sure the door was of the service it chose, 0 to 1; a given service is not counted",
            ["authority"],
            SURENESS,
        )
        self.faults = m.count(
            "front_door_decide_faults", "Requests sent to triage because understanding failed"
        )
        self.corrections = m.counts(
            "front_door_corrections",
            "Referrals that people gave another service or organisation",
            ["authority"],
        )
        self.commit_batch = m.spread("front_door_commit_batch_size", "Requests in one commit", BATCH)
        self.commit_seconds = m.spread(
            "front_door_commit_seconds", "Time to write and commit one batch", MILLISECONDS
        )
        self.commit_waiting = m.level(
            "front_door_commit_waiting", "Requests that wait for the next commit right now"
        )

    def _http(self, m: Meters) -> None:
        self.answers = m.counts(
            "front_door_http_answers", "Answers by route and class of status", ["route", "class"]
        )
        self.refused_input = m.counts(
            "front_door_http_errors", "Answers of 400 and above", ["route", "status"]
        )
        self.http = m.spreads("front_door_http_seconds", "Time to answer over HTTP", ["route"], MILLISECONDS)
        self.in_flight = m.level("front_door_http_in_flight", "HTTP requests being answered")

    def _rules(self, m: Meters) -> None:
        self._rules_info = m.levels(
            "front_door_rules_info",
            "Which rules, catalogue and engine are in use",
            ["rules", "catalogue", "engine"],
        )
        self.reloads = m.counts(
            "front_door_rules_reloads",
            "Times the rules were read again, by what came of it: loaded, unchanged, refused",
            ["outcome"],
        )
        self.rules_refused = m.level(
            "front_door_rules_refused", "1 while the rules in the folder are not the ones in use"
        )

    def _delivery(self, m: Meters) -> None:
        self.deliveries = m.counts(
            "front_door_delivery_attempts", "Attempts to hand over, by what came of it", [*LINE, "outcome"]
        )
        self.delivery_faults = m.counts(
            "front_door_delivery_faults",
            "Attempts that failed, by what was in the way: certificate, connection, timeout, login, busy, answer",
            [*LINE, "fault"],
        )
        self.attempt_seconds = m.spreads(
            "front_door_delivery_attempt_seconds",
            "Time an organisation took to answer a hand-over",
            LINE,
            SECONDS,
        )
        self.queue_wait = m.spreads(
            "front_door_delivery_wait_seconds",
            "Time from acceptance until an organisation had it",
            LINE,
            MINUTES_TO_DAYS,
        )
        self.breaker = m.levels("front_door_breaker_state", "0 closed, 1 half open, 2 open", LINE)
        self.connected = m.levels(
            "front_door_organisation_connected",
            "1 where the organisation's back end is configured, 0 where its work goes to the worklist",
            LINE,
        )
        self.statuses = m.counts(
            "front_door_status_updates",
            "What organisations told us, by what we could make of it",
            [*LINE, "applied"],
        )

    def _queues(self, m: Meters) -> None:
        self.oldest_waiting = m.levels(
            "front_door_oldest_waiting_timestamp_seconds",
            "When the oldest delivery still waiting was made (unix time); 0 if none waits",
            LINE,
        )
        self.waiting = m.levels("front_door_deliveries_waiting", "Deliveries not yet taken", LINE)
        self.unresolved = m.levels(
            "front_door_deliveries_needing_a_person",
            "Deliveries that are dead or uncertain",
            [*LINE, "state"],
        )
        self.triage = m.levels(
            "front_door_triage_waiting", "Needs that wait for a person to decide", ["authority"]
        )
        self.oldest_triage = m.levels(
            "front_door_triage_oldest_timestamp_seconds",
            "When the oldest need that waits for a person to decide was taken (unix time); 0 if none waits",
            ["authority"],
        )
        self.alarms = m.levels(
            "front_door_safeguarding_unacknowledged",
            "Safeguarding alarms that no named person has answered",
            ["authority"],
        )
        self.oldest_alarm = m.levels(
            "front_door_safeguarding_oldest_timestamp_seconds",
            "When the oldest unanswered safeguarding alarm was raised (unix time); 0 if none rings",
            ["authority"],
        )
        self.clocks = m.levels(
            "front_door_promises",
            "Needs by how the promises to the citizen stand: running (all of them), soon (due within the hour), breached",
            ["authority", "standing"],
        )

    def _keeping(self, m: Meters) -> None:
        self.audit_entries = m.levels(
            "front_door_audit_entries", "Rows in the audit chain; it only rises", ["authority"]
        )
        self.audit_chained_at = m.levels(
            "front_door_audit_chained_timestamp_seconds",
            "When this process last added to the audit chain (unix time)",
            ["authority"],
        )
        self.audit_complete_at = m.levels(
            "front_door_audit_complete_timestamp_seconds",
            "When everything that had settled was last seen chained (unix time)",
            ["authority"],
        )
        self.audit_broken = m.levels(
            "front_door_audit_broken",
            "1 where the newest links of the audit chain or the signature of its head are not what they must be",
            ["authority"],
        )
        self.loop_lag = m.spread(
            "front_door_event_loop_lag_seconds", "How late the event loop wakes", MILLISECONDS
        )
        self.pool_wait = m.spreads(
            "front_door_pool_wait_seconds", "Time to get a connection to the database", ["pool"], MILLISECONDS
        )
        self.pool_size = m.levels(
            "front_door_pool_size", "Connections that a pool may have at most", ["pool"]
        )
        self.pool_in_use = m.levels(
            "front_door_pool_in_use", "Connections in use, by the last look", ["pool"]
        )
        self.database_up = m.level("front_door_database_up", "1 while the database answers")
        self.database_size = m.level(
            "front_door_database_size_bytes", "How large the database is on its disk"
        )
        self.disk_free = m.level(
            "front_door_disk_free_bytes", "Room on the disk of the gateway's data folder"
        )
        self.disk_size = m.level(
            "front_door_disk_size_bytes", "Size of the disk of the gateway's data folder"
        )

    def rules(self, **names: str) -> None:
        """Say which rules, catalogue and engine are in use."""
        self._rules_info.forget()
        self._rules_info.labels(names["rules"], names["catalogue"], names["engine"]).set(1)

    def begin(self, authorities: Iterable[str]) -> None:
        """Make the label sets of these authorities, and of what is the same everywhere: a first event is seen as one."""
        for authority in authorities:
            for channel in CHANNELS:
                self.requests.labels(authority, channel)
            for action in Action:
                self.parts.labels(authority, action.value)
            for family in (self.triage, self.oldest_triage, self.alarms, self.oldest_alarm):
                family.labels(authority)
            for family in (self.audit_entries, self.audit_complete_at, self.audit_broken):
                family.labels(authority)
            self.sureness.labels(authority)
            self.corrections.labels(authority)
        for reason in NOT_TAKEN:
            self.not_taken.labels(reason)
        for pool in POOLS:
            self.pool_wait.labels(pool)

    def begin_routes(self, routes: Iterable[str]) -> None:
        """Make the label sets of these routes."""
        for route in (*routes, "unmatched"):
            self.http.labels(route)
            for each in CLASSES:
                self.answers.labels(route, each)

    def begin_line(self, authority: str, organisation: str) -> None:
        """Make the label sets of an organisation's line."""
        for outcome in OUTCOMES:
            self.deliveries.labels(authority, organisation, outcome)
        for fault in FAULTS:
            self.delivery_faults.labels(authority, organisation, fault)
        for state in ("dead", "uncertain"):
            self.unresolved.labels(authority, organisation, state)
        self.attempt_seconds.labels(authority, organisation)
        self.queue_wait.labels(authority, organisation)
        self.waiting.labels(authority, organisation)
        self.oldest_waiting.labels(authority, organisation)

    def forget(self, authority: str, organisation: str) -> None:
        """Drop the labels of a line that is no more."""
        for family in self.meters.families.values():
            family.forget(authority=authority, organisation=organisation)

    def page(self) -> bytes:
        """The exposition that Prometheus scrapes."""
        return self.meters.page().encode() + generate_latest(self.registry)
