-- The work of contact-centre staff: versions that rise with every change, who is working on what, notes and messages, call-backs,
-- links and merges, clocks, search, saved views.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Versions. A request's ETag is the sum over its rows, so whoever changes any of them, the courier too, makes it another one.
ALTER TABLE requests ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE deliveries ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE referrals
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN claimed_by    text,            -- who works on it; theirs until claimed_until, then anybody's again
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN assigned_to   text,            -- the colleague it was handed to
    ADD COLUMN skill         text,            -- the queue it was handed to: `group:…`, `organisation:…`
    ADD COLUMN offered_to    text,            -- a warm transfer that nobody has answered yet
    ADD COLUMN offered_by    text,
    ADD COLUMN offered_until timestamptz,
    ADD COLUMN merged_into   uuid;            -- always one that is merged into none itself, so there are no loops

CREATE FUNCTION raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER requests_version BEFORE UPDATE ON requests FOR EACH ROW EXECUTE FUNCTION raise_version();
CREATE TRIGGER deliveries_version BEFORE UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION raise_version();
-- A lease that is only renewed changes nothing that anybody else would have to look at again.
CREATE TRIGGER referrals_version BEFORE UPDATE ON referrals FOR EACH ROW
    WHEN (NEW.claimed_by IS DISTINCT FROM OLD.claimed_by OR NEW.claimed_until IS NOT DISTINCT FROM OLD.claimed_until)
    EXECUTE FUNCTION raise_version();

-- Safeguarding first, then urgent, then age: the order of every list of work.
CREATE FUNCTION priority_rank(priority text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE priority WHEN 'safeguarding' THEN 0 WHEN 'urgent' THEN 1 ELSE 2 END
$$;
CREATE INDEX referrals_for_people ON referrals (authority_id, priority_rank(priority), created_at, referral_id)
    WHERE state IN ('triage', 'undeliverable', 'uncertain', 'rejected');
CREATE INDEX referrals_open ON referrals (authority_id, organisation, priority_rank(priority), created_at, referral_id)
    WHERE state IN ('routed', 'delivered', 'in_progress');
CREATE INDEX referrals_claimed ON referrals (authority_id, claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX referrals_assigned ON referrals (authority_id, assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX referrals_handed_to_skill ON referrals (authority_id, skill) WHERE skill IS NOT NULL;
CREATE INDEX referrals_offered ON referrals (authority_id, offered_to) WHERE offered_to IS NOT NULL;
CREATE INDEX referrals_merged ON referrals (authority_id, merged_into) WHERE merged_into IS NOT NULL;

-- What staff write down: `note` for themselves, `message` for the citizen to see.
CREATE TABLE messages (
    authority_id text NOT NULL,
    message_id   uuid NOT NULL,
    request_id   uuid NOT NULL,
    referral_id  uuid,
    kind         text NOT NULL CHECK (kind IN ('note', 'message')),
    text         text NOT NULL,
    by           text NOT NULL,
    at           timestamptz NOT NULL,
    reply        text,                        -- the template it was made from
    PRIMARY KEY (authority_id, message_id)
);
CREATE INDEX messages_by_request ON messages (authority_id, request_id, message_id);

CREATE TABLE request_tags (
    authority_id text NOT NULL,
    request_id   uuid NOT NULL,
    tag          text NOT NULL,
    by           text NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (authority_id, request_id, tag)
);
CREATE INDEX request_tags_by_tag ON request_tags (authority_id, tag, request_id);

CREATE TABLE request_links (
    authority_id text NOT NULL,
    request_id   uuid NOT NULL,               -- of the two, the one with the lower id, so that a pair is linked once
    other_id     uuid NOT NULL,
    by           text NOT NULL,
    reason       text NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (authority_id, request_id, other_id),
    CHECK (request_id < other_id)
);
CREATE INDEX request_links_other ON request_links (authority_id, other_id);

CREATE TABLE call_backs (
    authority_id text NOT NULL,
    call_back_id uuid NOT NULL,
    request_id   uuid NOT NULL,
    referral_id  uuid,
    due_at       timestamptz NOT NULL,
    phone        text,                        -- another number than the request's own
    note         text NOT NULL,
    for_whom     text,                        -- the colleague who is to call; null: whoever is free
    booked_by    text NOT NULL,
    booked_at    timestamptz NOT NULL,
    done_at      timestamptz,
    done_by      text,
    outcome      text,                        -- reached | no-answer | cancelled
    version      integer NOT NULL DEFAULT 1,
    PRIMARY KEY (authority_id, call_back_id)
);
CREATE INDEX call_backs_due ON call_backs (authority_id, due_at, call_back_id) WHERE done_at IS NULL;
CREATE INDEX call_backs_by_request ON call_backs (authority_id, request_id, call_back_id);
CREATE TRIGGER call_backs_version BEFORE UPDATE ON call_backs FOR EACH ROW EXECUTE FUNCTION raise_version();

-- What a citizen was promised, for each need: kept as it was when it was promised, whatever the rules say later.
CREATE TABLE clocks (
    authority_id    text NOT NULL,
    referral_id     uuid NOT NULL,
    request_id      uuid NOT NULL,
    service         text,
    started_at      timestamptz,
    promise         jsonb,                    -- targets, hours and nation; null: nothing promised (yet)
    acknowledge_by  timestamptz,
    respond_by      timestamptz,
    resolve_by      timestamptz,
    acknowledged_at timestamptz,
    responded_at    timestamptz,
    ended_at        timestamptz,
    paused_at       timestamptz,              -- waiting for the citizen since then
    pauses          jsonb NOT NULL DEFAULT '[]',
    next_due        timestamptz GENERATED ALWAYS AS (
        CASE WHEN paused_at IS NULL AND ended_at IS NULL THEN LEAST(
            CASE WHEN acknowledged_at IS NULL THEN acknowledge_by END,
            CASE WHEN responded_at IS NULL THEN respond_by END,
            resolve_by) END) STORED,
    PRIMARY KEY (authority_id, referral_id)
);
CREATE INDEX clocks_running ON clocks (authority_id, next_due, referral_id) WHERE next_due IS NOT NULL;

-- Whoever moves a referral, the clock knows. Not for the courier's own two states, so that handing over pays nothing.
-- A row may be made here before anything was promised: the promise is written into it then.
CREATE FUNCTION mark_clock() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    has_ended boolean := NEW.state IN ('resolved', 'cancelled', 'signposted');
BEGIN
    INSERT INTO clocks AS c (authority_id, referral_id, request_id, acknowledged_at, ended_at)
    VALUES (NEW.authority_id, NEW.referral_id, NEW.request_id,
            CASE WHEN NEW.state IN ('in_progress', 'resolved') THEN NEW.updated_at END,
            CASE WHEN has_ended THEN NEW.updated_at END)
    ON CONFLICT (authority_id, referral_id) DO UPDATE SET
        acknowledged_at = coalesce(c.acknowledged_at, excluded.acknowledged_at),
        ended_at = excluded.ended_at;
    RETURN NULL;
END
$$;
CREATE TRIGGER referrals_mark_clock AFTER UPDATE ON referrals FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND (NEW.state IN ('in_progress', 'resolved', 'cancelled', 'signposted')
                                      OR OLD.state IN ('resolved', 'cancelled', 'signposted')))
    EXECUTE FUNCTION mark_clock();

-- Intake only notes that a request is new; search and clocks are made from it right afterwards, in batches, so that nobody who
-- calls waits for them and nothing is forgotten if a process dies in between.
CREATE TABLE fresh_requests (
    authority_id text NOT NULL,
    request_id   uuid NOT NULL,
    PRIMARY KEY (authority_id, request_id)
);
-- The policy holds for an owner who is no superuser, too, and would show it nothing here.
ALTER TABLE requests NO FORCE ROW LEVEL SECURITY;
INSERT INTO fresh_requests (authority_id, request_id) SELECT authority_id, request_id FROM requests WHERE erased_at IS NULL;
ALTER TABLE requests FORCE ROW LEVEL SECURITY;

CREATE TABLE request_search (
    authority_id text NOT NULL,
    request_id   uuid NOT NULL,
    words        tsvector NOT NULL,
    phone        text COLLATE "C",            -- digits alone, as dialled within the country
    email        text COLLATE "C",
    postcode     text COLLATE "C",            -- without the space, so that a part of it is a range
    address      text COLLATE "C",            -- letters and digits alone
    PRIMARY KEY (authority_id, request_id)
);
CREATE INDEX request_search_words ON request_search USING gin (words);
CREATE INDEX request_search_phone ON request_search (authority_id, phone, request_id) WHERE phone IS NOT NULL;
CREATE INDEX request_search_email ON request_search (authority_id, email, request_id) WHERE email IS NOT NULL;
CREATE INDEX request_search_postcode ON request_search (authority_id, postcode, request_id) WHERE postcode IS NOT NULL;
CREATE INDEX request_search_address ON request_search (authority_id, address, request_id) WHERE address IS NOT NULL;

-- Every word that occurs, so that a misspelt one finds its neighbours among thousands of words and not among millions of texts.
CREATE TABLE search_words (
    authority_id text NOT NULL,
    word         text NOT NULL,
    PRIMARY KEY (authority_id, word)
);
CREATE INDEX search_words_alike ON search_words USING gin (word gin_trgm_ops);

CREATE TABLE saved_views (
    authority_id text NOT NULL,
    view_id      uuid NOT NULL,
    owner        text NOT NULL,
    name         text NOT NULL,
    list         text NOT NULL,               -- worklist | search
    query        jsonb NOT NULL,
    shared       boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (authority_id, view_id)
);
CREATE INDEX saved_views_by_owner ON saved_views (authority_id, owner, view_id);

-- Behind the wall. What staff wrote stays as it was written but for what erasure takes; an organisation's own people see of it
-- the clocks of their referrals and nothing else. The trigger on referrals runs as whoever moves one: the courier, too.
SELECT protect('messages', staff := 'SELECT, INSERT, UPDATE (text)'),
       protect('request_tags', staff := 'SELECT, INSERT, DELETE'),
       protect('request_links', staff := 'SELECT, INSERT, UPDATE (reason), DELETE'),
       protect('call_backs', staff := 'SELECT, INSERT, UPDATE'),
       protect('clocks', staff := 'SELECT, INSERT, UPDATE', own := 'EXISTS (SELECT FROM referrals AS r WHERE'
               ' r.authority_id = clocks.authority_id AND r.referral_id = clocks.referral_id)',
               courier := 'SELECT, INSERT (authority_id, referral_id, request_id, acknowledged_at, ended_at),'
               ' UPDATE (acknowledged_at, ended_at)'),
       protect('fresh_requests', staff := 'SELECT, UPDATE, DELETE', intake := 'INSERT'),
       protect('request_search'),
       protect('search_words', staff := 'SELECT, INSERT, DELETE'),
       protect('saved_views', staff := 'SELECT, INSERT, DELETE');

-- Search looks by likeness, so without a policy; it finds ids and nothing else.
SELECT searchable('request_search', 'authority_id, request_id, words, phone, email, postcode, address'),
       searchable('search_words', 'authority_id, word'),
       searchable('requests', 'authority_id, request_id, reference, channel'),
       searchable('referrals', 'authority_id, request_id, service, organisation, state'),
       searchable('request_tags', 'authority_id, request_id, tag');

-- A request's row of request_search goes altogether, with the words that no other has (gateway/store/search.py).
SELECT holds_personal_data('messages', 'text'),
       holds_personal_data('request_links', 'reason', '''[erased]''',
           'authority_id = $1 AND (request_id = ANY ($2) OR other_id = ANY ($2))'),
       holds_personal_data('call_backs', 'phone', 'NULL'),
       holds_personal_data('call_backs', 'note'),
       holds_personal_data('request_search', 'words', '''''::tsvector'),
       holds_personal_data('request_search', 'phone', 'NULL'),
       holds_personal_data('request_search', 'email', 'NULL'),
       holds_personal_data('request_search', 'postcode', 'NULL'),
       holds_personal_data('request_search', 'address', 'NULL');
