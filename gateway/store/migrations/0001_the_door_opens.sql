-- The first schema. authority_id comes first in every key, so that an authority can be moved or sharded whole,
-- and no constraint reaches across authorities. Ids are UUIDv7 made by the gateway: time-ordered, no sequences.
-- No foreign keys: a request, its referrals and its deliveries are written by one statement and never apart, and checking
-- was nine tenths of the cost of a commit of 128 requests. The checker of tests/chaos looks for orphans instead.

CREATE TABLE api_keys (
    authority_id text NOT NULL,
    key_id       uuid NOT NULL,
    name         text NOT NULL,
    secret_hash  bytea NOT NULL,              -- SHA-256 of 256 random bits: nothing to guess, so no slow hash needed
    created_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    PRIMARY KEY (authority_id, key_id)
);

CREATE TABLE requests (
    authority_id text NOT NULL,
    request_id   uuid NOT NULL,
    reference    text NOT NULL,
    channel      text NOT NULL,
    text         text NOT NULL,
    citizen      jsonb NOT NULL DEFAULT '{}',
    postcode     text,
    emergency    text,                        -- the safety service found, if any
    decision     jsonb NOT NULL,
    created_at   timestamptz NOT NULL,
    created_by   text NOT NULL,
    trace_id     text NOT NULL,
    PRIMARY KEY (authority_id, request_id),
    UNIQUE (authority_id, reference)
);

CREATE TABLE referrals (
    authority_id text NOT NULL,
    referral_id  uuid NOT NULL,
    request_id   uuid NOT NULL,
    part         smallint NOT NULL,
    text         text NOT NULL,
    service      text,                        -- unknown while in triage
    organisation text,                        -- who has it now
    state        text NOT NULL,
    priority     text NOT NULL,
    chain        text[] NOT NULL DEFAULT '{}',-- who is next if this one does not take it
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (authority_id, referral_id)
);
CREATE INDEX referrals_by_request ON referrals (authority_id, request_id, part);

CREATE TABLE deliveries (
    authority_id       text NOT NULL,
    delivery_id        uuid NOT NULL,
    referral_id        uuid NOT NULL,
    request_id         uuid NOT NULL,
    organisation       text NOT NULL,
    role               text NOT NULL DEFAULT 'lead',   -- lead | notify
    state              text NOT NULL,                  -- waiting | claimed | delivered | refused | uncertain | dead
    priority           smallint NOT NULL,              -- 0 safeguarding, 1 urgent, 2 normal
    attempt            integer NOT NULL DEFAULT 0,
    fence              integer NOT NULL DEFAULT 0,     -- rises at each claim; completion must match it
    due_at             timestamptz NOT NULL,
    lease_until        timestamptz,
    claimed_by         text,
    check_first        boolean NOT NULL DEFAULT false, -- an earlier attempt may have arrived: ask before sending again
    external_reference text,
    external_status    text,
    status_at          timestamptz,                    -- when the organisation set it: an older update changes nothing
    last_outcome       text,
    traceparent        text,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (authority_id, delivery_id)
);
CREATE INDEX deliveries_by_referral ON deliveries (authority_id, referral_id);
-- The courier's two questions: what is due for this organisation, and whose lease ran out.
CREATE INDEX deliveries_due ON deliveries (authority_id, organisation, priority, due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'claimed';
-- Status updates name the organisation's own reference.
CREATE INDEX deliveries_by_external ON deliveries (authority_id, organisation, external_reference)
    WHERE external_reference IS NOT NULL;

CREATE TABLE attempts (
    authority_id text NOT NULL,
    delivery_id  uuid NOT NULL,
    attempt      integer NOT NULL,
    fence        integer NOT NULL,
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz NOT NULL,
    outcome      text NOT NULL,               -- accepted | refused | unavailable | uncertain | expired
    status       integer,
    detail       text NOT NULL,               -- never holds a citizen's words
    PRIMARY KEY (authority_id, delivery_id, fence)
);

CREATE TABLE events (
    authority_id text NOT NULL,
    event_id     uuid NOT NULL,
    request_id   uuid NOT NULL,
    referral_id  uuid,
    at           timestamptz NOT NULL,
    kind         text NOT NULL,
    actor        text NOT NULL,
    detail       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (authority_id, event_id)
);
CREATE INDEX events_by_request ON events (authority_id, request_id, event_id);

-- What an organisation told us, once each: a repeated update finds its id here and changes nothing.
CREATE TABLE status_updates (
    authority_id text NOT NULL,
    organisation text NOT NULL,
    update_key   text NOT NULL,
    delivery_id  uuid,                        -- null: we do not know it; kept for a person
    status       text NOT NULL,
    note         text NOT NULL,
    at           timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    applied      text NOT NULL,               -- applied | ignored | unmapped | unknown
    PRIMARY KEY (authority_id, organisation, update_key)
);

CREATE TABLE poll_cursors (
    authority_id text NOT NULL,
    organisation text NOT NULL,
    cursor       text,
    polled_at    timestamptz NOT NULL,
    PRIMARY KEY (authority_id, organisation)
);

CREATE TABLE idempotency (
    authority_id text NOT NULL,
    scope        text NOT NULL,               -- whose key: two callers may choose the same one
    key          text NOT NULL,
    body_hash    bytea NOT NULL,
    request_id   uuid NOT NULL,
    answer       bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    replayed_at  timestamptz,
    PRIMARY KEY (authority_id, scope, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
