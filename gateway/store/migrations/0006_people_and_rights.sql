-- People who sign in, and the second wall between authorities: row-level security that holds even where a statement
-- forgets its authority. The roles it is written for are made before this runs (gateway/store/roles.py).

ALTER TABLE api_keys
    ADD COLUMN role         text NOT NULL DEFAULT 'machine',
    ADD COLUMN organisation text,             -- set for an organisation's own software: it sees what is its own
    ADD COLUMN per_minute   integer;          -- calls a minute, where it differs from the settings'

ALTER TABLE requests ADD COLUMN erased_at timestamptz; -- then only its tombstone is left: reference, times, services, states

-- Browser sessions. The cookie holds the secret, this table its hash.
CREATE TABLE sessions (
    authority_id text NOT NULL,
    session_hash bytea NOT NULL,
    provider     text NOT NULL,
    subject      text NOT NULL,
    name         text NOT NULL,
    roles        text[] NOT NULL,
    organisation text,
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,        -- to the minute
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (authority_id, session_hash)
);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Sign-ins under way, from the door to the provider and back.
CREATE TABLE sign_ins (
    authority_id text NOT NULL,
    state_hash   bytea NOT NULL,
    browser_hash bytea NOT NULL,              -- of the cookie of the browser that began it: no other may end it
    provider     text NOT NULL,
    verifier     text NOT NULL,               -- PKCE's
    nonce        text NOT NULL,
    return_to    text NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (authority_id, state_hash)
);
CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);

-- Who looked at what, and what was done that is no event of a request. Ids and names of fields, never a citizen's words, so
-- that erasure has nothing to do here.
CREATE TABLE audit (
    authority_id text NOT NULL,
    audit_id     uuid NOT NULL,
    at           timestamptz NOT NULL,
    actor        text NOT NULL,               -- as events name it
    subject      text NOT NULL,               -- who it is for good
    action       text NOT NULL,               -- read | listed | searched | exported | erased | signed_in | …
    request_id   uuid,
    fields       text[] NOT NULL DEFAULT '{}',
    detail       jsonb NOT NULL DEFAULT '{}', -- ids and codes
    trace_id     text,
    PRIMARY KEY (authority_id, audit_id)
);
CREATE INDEX audit_by_request ON audit (authority_id, request_id, audit_id) WHERE request_id IS NOT NULL;

-- The chain over events and audit: batches, made in the background so that nobody who writes waits for it.
CREATE TABLE audit_chain (
    authority_id text NOT NULL,
    number       bigint NOT NULL,             -- 1, 2, 3 … without a gap
    source       text NOT NULL CHECK (source IN ('events', 'audit')),
    ids          uuid[] NOT NULL,             -- of the rows in it, in order
    leaves       bytea[] NOT NULL,            -- the digest of each row
    details      bytea[] NOT NULL,            -- the salted digest of each row's detail, which a leaf is made with
    salts        bytea[] NOT NULL,            -- null once the detail was erased: then nobody can try out what it was
    at           timestamptz NOT NULL,
    previous     bytea NOT NULL,
    hash         bytea NOT NULL,
    PRIMARY KEY (authority_id, number)
);

-- How long the chain is: what is cut off its end is missed here. Signed where the settings have a key.
CREATE TABLE audit_heads (
    authority_id text NOT NULL PRIMARY KEY,
    number       bigint NOT NULL,
    entries      bigint NOT NULL,
    hash         bytea NOT NULL,
    at           timestamptz NOT NULL,
    settled      jsonb NOT NULL DEFAULT '{}', -- by source, the id up to which the background has gone
    signature    bytea
);

-- Append-only, to whoever asks. What may change is what erasure takes away, and nothing else.
CREATE FUNCTION codes_only(detail jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') || '{"erased": true}' FROM jsonb_each(detail)
    WHERE key NOT IN ('reason', 'because', 'note', 'name', 'text', 'words', 'external_reference')
      AND (jsonb_typeof(value) IN ('number', 'boolean', 'null')
           OR jsonb_typeof(value) = 'string' AND value #>> '{}' ~ '^[a-z0-9_.:-]{1,60}$'
           OR jsonb_typeof(value) = 'array' AND NOT EXISTS (SELECT FROM jsonb_array_elements(value) AS element
               WHERE jsonb_typeof(element) <> 'string' OR element #>> '{}' !~ '^[a-z0-9_.:-]{1,60}$'))
$$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION events_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'detail' = to_jsonb(OLD) - 'detail' AND NEW.detail = codes_only(OLD.detail) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION audit_chain_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'salts' = to_jsonb(OLD) - 'salts' AND cardinality(NEW.salts) = cardinality(OLD.salts)
       AND NOT EXISTS (SELECT FROM unnest(OLD.salts, NEW.salts) AS s (was, is_now)
                       WHERE is_now IS NOT NULL AND is_now IS DISTINCT FROM was) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_chain is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION audit_heads_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.authority_id = OLD.authority_id AND NEW.number >= OLD.number AND NEW.entries >= OLD.entries THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_heads only rises' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER events_append_only BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_change();
CREATE TRIGGER events_stay BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_stay_all BEFORE TRUNCATE ON events EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_stay_all BEFORE TRUNCATE ON audit EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_chain_change();
CREATE TRIGGER audit_chain_stay BEFORE DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_chain_stay_all BEFORE TRUNCATE ON audit_chain EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_heads_rise BEFORE UPDATE ON audit_heads FOR EACH ROW EXECUTE FUNCTION audit_heads_change();
CREATE TRIGGER audit_heads_stay BEFORE DELETE ON audit_heads FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_heads_stay_all BEFORE TRUNCATE ON audit_heads EXECUTE FUNCTION refuse_change();

-- Where a citizen's words and details live, and what erasure leaves in their place. Whoever makes a table with such a column
-- says so here (a test looks): `becomes` is SQL over the row; `belongs` finds the rows, given the authority as $1 and the
-- requests as $2 (uuid[]).
CREATE TABLE personal_data (
    table_name  text NOT NULL,
    column_name text NOT NULL,
    becomes     text NOT NULL,
    belongs     text NOT NULL,
    PRIMARY KEY (table_name, column_name)
);

CREATE FUNCTION holds_personal_data(
    tab regclass, column_name text, becomes text DEFAULT '''[erased]''',
    belongs text DEFAULT 'authority_id = $1 AND request_id = ANY ($2)'
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO personal_data VALUES (tab::text, column_name, becomes, belongs)
$$;

-- A decision without the words it was made from: services, organisations, rules and confidences stay.
CREATE FUNCTION decision_without_words(decision jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT decision || jsonb_build_object(
        'parts', (SELECT coalesce(jsonb_agg(part || '{"text": "[erased]", "evidence": [], "reasons": []}'), '[]')
                  FROM jsonb_array_elements(coalesce(decision -> 'parts', '[]')) AS part),
        'emergency', CASE WHEN jsonb_typeof(decision -> 'emergency') = 'object'
                          THEN decision -> 'emergency' || '{"evidence": []}' END,
        'given', coalesce(decision -> 'given', '{}') - 'age' - 'language')
$$;

SELECT holds_personal_data('requests', 'text'),
       holds_personal_data('requests', 'citizen', '''{}'''),
       holds_personal_data('requests', 'postcode', 'NULL'),
       holds_personal_data('requests', 'decision', 'decision_without_words(decision)'),
       holds_personal_data('referrals', 'text'),
       holds_personal_data('corrections', 'text'),
       holds_personal_data('corrections', 'reason'),
       holds_personal_data('events', 'detail', 'codes_only(detail)',
           'authority_id = $1 AND request_id = ANY ($2) AND NOT detail ? ''erased'''),
       holds_personal_data('idempotency', 'answer',
           'convert_to(jsonb_build_object(''reference'', (SELECT q.reference FROM requests AS q'
           ' WHERE q.authority_id = idempotency.authority_id AND q.request_id = idempotency.request_id),'
           ' ''created_at'', created_at, ''parts'', ''[]''::jsonb)::text, ''UTF8'')'),
       holds_personal_data('idempotency', 'body_hash', 'sha256(''\x'')'),
       holds_personal_data('status_updates', 'note', '''[erased]''',
           'authority_id = $1 AND delivery_id IN (SELECT d.delivery_id FROM deliveries AS d'
           ' WHERE d.authority_id = $1 AND d.request_id = ANY ($2))');

-- Puts a table behind the wall. Every table with authority_id calls it in the migration that makes it:
--     SELECT protect('notes');
-- Then front_door_staff (all that staff and citizens do) sees and writes the rows of the authority that its transaction
-- names, and nothing without one. `staff` are its privileges; `courier` and `intake` those of the roles that batch several
-- authorities: none, unless the table is theirs. `own` says, as SQL over the row, which rows an organisation's own people may
-- see (`front_door_organisation()` is theirs): none, unless given.
CREATE FUNCTION front_door_organisation() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('front_door.organisation', true), '')
$$;

CREATE FUNCTION protect(
    tab regclass, staff text DEFAULT 'SELECT, INSERT, UPDATE, DELETE', courier text DEFAULT '', intake text DEFAULT '',
    own text DEFAULT 'false'
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tab);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tab);
    EXECUTE format('CREATE POLICY own_authority ON %s USING (authority_id = current_setting(''front_door.authority'', true))'
                   ' WITH CHECK (authority_id = current_setting(''front_door.authority'', true))', tab);
    EXECUTE format('CREATE POLICY own_organisation ON %s AS RESTRICTIVE TO front_door_staff'
                   ' USING (front_door_organisation() IS NULL OR (%s))', tab, own);
    EXECUTE format('GRANT %s ON %s TO front_door_staff', staff, tab);
    IF courier <> '' THEN
        EXECUTE format('CREATE POLICY courier ON %s TO front_door_courier USING (true) WITH CHECK (true)', tab);
        EXECUTE format('GRANT %s ON %s TO front_door_courier', courier, tab);
    END IF;
    IF intake <> '' THEN
        EXECUTE format('CREATE POLICY intake ON %s TO front_door_intake USING (true) WITH CHECK (true)', tab);
        EXECUTE format('GRANT %s ON %s TO front_door_intake', intake, tab);
    END IF;
END
$$;

-- For search by likeness: PostgreSQL will not use an index for operators that it does not know to be leakproof (LIKE, %, @@)
-- where a policy filters. This lets front_door_search, which may read and nothing else, have the table without the policy; the
-- statement names its authority itself, and what it finds is read again through the wall (`searching` in scope.py).
CREATE FUNCTION searchable(tab regclass, columns text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY search ON %s FOR SELECT TO front_door_search USING (true)', tab);
    EXECUTE format('GRANT SELECT (%s) ON %s TO front_door_search', columns, tab);
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO front_door_staff, front_door_courier, front_door_intake, front_door_search',
                   current_schema());
END
$$;
GRANT SELECT ON personal_data TO front_door_staff;

SELECT protect('requests', courier := 'SELECT', own := 'EXISTS (SELECT FROM referrals AS r WHERE'
               ' r.authority_id = requests.authority_id AND r.request_id = requests.request_id)',
               intake := 'INSERT, SELECT (authority_id, request_id, reference, trace_id)'),
       protect('referrals', courier := 'SELECT, UPDATE', own := 'organisation = front_door_organisation() OR EXISTS ('
               'SELECT FROM deliveries AS d WHERE d.authority_id = referrals.authority_id'
               ' AND d.referral_id = referrals.referral_id AND d.organisation = front_door_organisation())',
               intake := 'INSERT, SELECT (authority_id, referral_id, state, organisation)'),
       protect('deliveries', courier := 'SELECT, INSERT, UPDATE, DELETE', intake := 'INSERT',
               own := 'organisation = front_door_organisation()'),
       protect('attempts', courier := 'SELECT, INSERT, UPDATE, DELETE', own := 'EXISTS (SELECT FROM deliveries AS d WHERE'
               ' d.authority_id = attempts.authority_id AND d.delivery_id = attempts.delivery_id)'),
       protect('events', staff := 'SELECT, INSERT, UPDATE (detail)', courier := 'SELECT, INSERT', intake := 'INSERT', own := 'EXISTS (SELECT FROM referrals AS r WHERE'
               ' r.authority_id = events.authority_id AND r.request_id = events.request_id'
               ' AND (events.referral_id IS NULL OR r.referral_id = events.referral_id))'),
       protect('alarms', courier := 'SELECT, INSERT, UPDATE', intake := 'INSERT, SELECT', own := 'EXISTS (SELECT FROM'
               ' referrals AS r WHERE r.authority_id = alarms.authority_id AND r.referral_id = alarms.referral_id)'),
       protect('status_updates', courier := 'SELECT, INSERT, UPDATE'),
       protect('poll_cursors', courier := 'SELECT, INSERT, UPDATE'),
       protect('idempotency', courier := 'SELECT (created_at), DELETE', intake := 'SELECT, INSERT, UPDATE'),
       protect('corrections'),
       protect('subscriptions', courier := 'SELECT, UPDATE',
               intake := 'SELECT (authority_id, subscription_id, kinds, disabled_at)'),
       protect('api_keys'),
       protect('sessions', courier := 'SELECT (expires_at), DELETE'),
       protect('sign_ins', courier := 'SELECT (expires_at), DELETE'),
       protect('audit', staff := 'SELECT, INSERT', courier := 'SELECT, INSERT'),
       protect('audit_chain', staff := 'SELECT, UPDATE (salts)', courier := 'SELECT, INSERT'),
       protect('audit_heads', staff := 'SELECT', courier := 'SELECT, INSERT, UPDATE');
