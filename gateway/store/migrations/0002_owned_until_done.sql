-- The council stays accountable: an organisation that took a referral must also say that it has begun, and a
-- safeguarding alarm rings until a named person has answered it.

ALTER TABLE deliveries
    ADD COLUMN acknowledge_by  timestamptz,   -- past this the referral goes to the next in its chain; null: not waited for
    ADD COLUMN acknowledged_at timestamptz;
CREATE INDEX deliveries_unacknowledged ON deliveries (acknowledge_by)
    WHERE acknowledge_by IS NOT NULL AND acknowledged_at IS NULL;
-- What a person must look at.
CREATE INDEX deliveries_dead_or_uncertain ON deliveries (authority_id, state, updated_at)
    WHERE state IN ('dead', 'uncertain');

CREATE TABLE alarms (
    authority_id    text NOT NULL,
    referral_id     uuid NOT NULL,
    request_id      uuid NOT NULL,
    service         text,
    opened_at       timestamptz NOT NULL,
    rung            integer NOT NULL DEFAULT 0,  -- how many times it was raised further
    next_at         timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,                        -- the person's name, not the key's
    PRIMARY KEY (authority_id, referral_id)
);
CREATE INDEX alarms_ringing ON alarms (next_at) WHERE acknowledged_at IS NULL;
