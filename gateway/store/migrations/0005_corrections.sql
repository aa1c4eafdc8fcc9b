-- Where people put right what the door decided, kept so that the catalogue can learn from it: one row for each time a
-- referral was given another service. The citizen's words stand here too, and go when the request's do.

CREATE TABLE corrections (
    authority_id   text NOT NULL,
    correction_id  uuid NOT NULL,
    referral_id    uuid NOT NULL,
    request_id     uuid NOT NULL,
    text           text NOT NULL,             -- the citizen's words for this need
    service_before text,                      -- null: the door had not decided
    service_after  text NOT NULL,
    by             text NOT NULL,
    reason         text NOT NULL,
    at             timestamptz NOT NULL,
    engine         text NOT NULL,             -- which engine and rules had decided
    PRIMARY KEY (authority_id, correction_id),
    FOREIGN KEY (authority_id, referral_id) REFERENCES referrals
);
CREATE INDEX corrections_by_referral ON corrections (authority_id, referral_id, correction_id);
