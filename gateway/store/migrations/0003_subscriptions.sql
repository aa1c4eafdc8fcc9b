-- An authority's own systems subscribe to what happens. A notice is a delivery like any other (claimed, retried, fenced,
-- dead and replayable), to the organisation `subscription:<id>`, with the role `notice` and no referral.

CREATE TABLE subscriptions (
    authority_id     text NOT NULL,
    subscription_id  uuid NOT NULL,
    url              text NOT NULL,
    secret           text NOT NULL,           -- kept readable, unlike API keys: notices are signed with it
    old_secret       text,                    -- valid as well until old_secret_until, after a change
    old_secret_until timestamptz,
    kinds            text[] NOT NULL,         -- of what notice_kind() gives
    created_at       timestamptz NOT NULL,
    created_by       text NOT NULL,
    answered_at      timestamptz,             -- when it last took a notice, to the minute
    disabled_at      timestamptz,
    disabled_because text,
    PRIMARY KEY (authority_id, subscription_id),
    UNIQUE (authority_id, url)                -- so that creating it again after a lost answer does not tell everything twice
);

ALTER TABLE deliveries
    ADD COLUMN notice jsonb,                  -- the body of a notice, the same at each attempt; null: a hand-over
    ALTER COLUMN referral_id DROP NOT NULL,
    ALTER COLUMN request_id DROP NOT NULL,    -- null for test events
    ADD CONSTRAINT deliveries_is_handover_or_notice CHECK (
        CASE WHEN role = 'notice' THEN notice IS NOT NULL AND referral_id IS NULL
             ELSE notice IS NULL AND referral_id IS NOT NULL AND request_id IS NOT NULL END);
-- Notices alone, so that hand-overs pay nothing for these: what waits for a subscription, and what may be forgotten.
CREATE INDEX deliveries_notices_waiting ON deliveries (authority_id, organisation) WHERE role = 'notice' AND state = 'waiting';
CREATE INDEX deliveries_notices_ended ON deliveries (updated_at)
    WHERE role = 'notice' AND state IN ('delivered', 'refused', 'withdrawn');

-- What an event is called outside. Total, so that no event is left out because nobody thought of it here.
CREATE FUNCTION notice_kind(kind text, referral_id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN kind = 'received' THEN 'request.created'
        WHEN kind = 'decided' THEN 'referral.created'
        WHEN kind = 'alarm_raised' THEN 'alarm.raised'
        WHEN kind = 'alarm_acknowledged' THEN 'alarm.acknowledged'
        WHEN kind LIKE 'notice\_%' THEN NULL  -- about a notice itself
        WHEN referral_id IS NULL THEN 'request.changed'
        ELSE 'referral.changed'
    END
$$;

-- The same for the same event and subscription, whoever makes it: the receiver knows a repeat by it. A UUID of version 8
-- (RFC 9562) that begins with the event's own time, so that it sorts as UUIDv7 does.
CREATE FUNCTION notice_id(event_id uuid, subscription_id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (left(replace(event_id::text, '-', ''), 12) || '8' || left(mixed, 3) || '8' || substr(mixed, 4, 15))::uuid
    FROM encode(sha256(convert_to(event_id::text || subscription_id::text, 'UTF8')), 'hex') AS mixed
$$;

-- In the transaction of the event: nothing is lost between commit and enqueue. Only what is listed here leaves: of an
-- event's detail, which may hold people's words, nothing but the code of an organisation.
CREATE FUNCTION tell_subscriptions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM subscriptions WHERE disabled_at IS NULL) THEN
        RETURN NULL;
    END IF;
    INSERT INTO deliveries (authority_id, delivery_id, request_id, organisation, role, state, priority, due_at,
                            traceparent, created_at, updated_at, notice)
    SELECT e.authority_id, notice_id(e.event_id, s.subscription_id), e.request_id,
           'subscription:' || s.subscription_id, 'notice', 'waiting', 3, e.at,
           '00-' || q.trace_id || '-' || right(notice_id(e.event_id, s.subscription_id)::text, 12) || '0001-01',
           e.at, e.at,
           jsonb_build_object('type', notice_kind(e.kind, e.referral_id), 'timestamp', e.at,
               'data', jsonb_strip_nulls(jsonb_build_object(
                   'event', e.kind, 'event_id', e.event_id, 'authority', e.authority_id, 'request_id', e.request_id,
                   'reference', q.reference, 'referral_id', e.referral_id, 'state', r.state,
                   'organisation', r.organisation,
                   'by', substring(coalesce(e.detail ->> 'by', e.detail ->> 'organisation') FROM '^[a-z0-9-]{1,60}$'))))
    FROM added AS e
    JOIN subscriptions AS s ON s.authority_id = e.authority_id AND s.disabled_at IS NULL
        AND notice_kind(e.kind, e.referral_id) = ANY (s.kinds)
    -- LIMIT keeps each a look-up by key, whatever the planner knew of the tables when it first saw this.
    CROSS JOIN LATERAL (SELECT reference, trace_id FROM requests
        WHERE authority_id = e.authority_id AND request_id = e.request_id LIMIT 1) AS q
    LEFT JOIN LATERAL (SELECT state, organisation FROM referrals
        WHERE authority_id = e.authority_id AND referral_id = e.referral_id LIMIT 1) AS r ON true
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER events_tell_subscriptions AFTER INSERT ON events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell_subscriptions();
