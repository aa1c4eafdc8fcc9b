-- A status of a case that we do not know (yet) keeps what it named, so that a person can find out, and so that it is
-- applied once the hand-over it was quicker than has been written.

ALTER TABLE status_updates
    ADD COLUMN external_reference text,
    ADD COLUMN named_delivery     text;        -- what the organisation took for our delivery's id
CREATE INDEX status_updates_unknown ON status_updates (authority_id, received_at) WHERE applied = 'unknown';
