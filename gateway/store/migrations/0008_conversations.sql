-- Web chat. What a citizen and the door said is kept message by message, numbered without a gap within its conversation,
-- so that whoever was away is told exactly what they missed.

CREATE TABLE conversations (
    authority_id    text NOT NULL,
    conversation_id uuid NOT NULL,
    version         integer NOT NULL DEFAULT 0,   -- rises with each turn; a turn that rests on an older one is taken again
    last_number     integer NOT NULL DEFAULT 0,
    language        text NOT NULL,
    channel         text NOT NULL DEFAULT 'chat',
    holder          text NOT NULL,                -- door | queue | agent
    stage           text NOT NULL,
    talk            jsonb NOT NULL,               -- what the door has understood so far and what it waits for
    urgent          boolean NOT NULL DEFAULT false,
    waiting_since   timestamptz,
    offered_at      timestamptz,                  -- when a call-back was offered to someone who waits
    agent           text,                         -- the person's own name
    hold            integer NOT NULL DEFAULT 0,   -- rises at each taking; whoever acts for an agent must name it
    lease_until     timestamptz,
    attached_bytes  bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    seen_at         timestamptz NOT NULL,         -- the citizen's last sign of life
    closed_at       timestamptz,
    changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(), -- by the database's clock: the one all processes share
    PRIMARY KEY (authority_id, conversation_id)
);
CREATE INDEX conversations_changed ON conversations (authority_id, changed_at);
CREATE INDEX conversations_held ON conversations (authority_id, holder, urgent, waiting_since) WHERE holder <> 'door';
CREATE INDEX conversations_open ON conversations (authority_id, seen_at) WHERE closed_at IS NULL;
CREATE INDEX conversations_sending ON conversations (authority_id, conversation_id) WHERE stage = 'sending';

CREATE TABLE utterances (
    authority_id    text NOT NULL,
    conversation_id uuid NOT NULL,
    number          integer NOT NULL,
    author          text NOT NULL,                -- citizen | door | agent
    kind            text NOT NULL,
    body            jsonb NOT NULL,
    client_id       text,                         -- the sender's own id: sending twice is harmless
    sent_hash       bytea,                        -- of what was sent under it
    at              timestamptz NOT NULL,
    PRIMARY KEY (authority_id, conversation_id, number)
);
CREATE UNIQUE INDEX utterances_once ON utterances (authority_id, conversation_id, author, client_id) WHERE client_id IS NOT NULL;

-- A token lets one browser go on with its conversation. It is exchanged for a fresh one at each resuming; the old one ends a
-- little after the fresh one was first used, so that an answer lost on the way locks nobody out.
CREATE TABLE conversation_tokens (
    authority_id    text NOT NULL,
    conversation_id uuid NOT NULL,
    token_hash      bytea NOT NULL,               -- SHA-256 of 256 random bits
    parent_hash     bytea,
    created_at      timestamptz NOT NULL,
    used_at         timestamptz,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (authority_id, conversation_id, token_hash)
);

CREATE TABLE attachments (
    authority_id    text NOT NULL,
    attachment_id   uuid NOT NULL,
    conversation_id uuid NOT NULL,
    reference       text,                         -- the request it was sent with
    name            text NOT NULL,
    media_type      text NOT NULL,
    size            integer NOT NULL,
    content         bytea NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (authority_id, attachment_id)
);
ALTER TABLE attachments ALTER COLUMN content SET STORAGE EXTERNAL; -- pictures are compressed already
CREATE INDEX attachments_by_conversation ON attachments (authority_id, conversation_id);
CREATE INDEX attachments_by_reference ON attachments (authority_id, reference) WHERE reference IS NOT NULL;

-- How it was, said at an end point: a conversation, or a request that was looked up. Once each; saying it again replaces it.
CREATE TABLE surveys (
    authority_id    text NOT NULL,
    survey_id       uuid NOT NULL,
    about           text NOT NULL,                -- the conversation's id, or the request's reference
    channel         text NOT NULL,
    organisation    text,                         -- null: nothing was handed over
    service         text,
    score           smallint NOT NULL,            -- 1 very dissatisfied … 5 very satisfied
    words           text,
    fixed           boolean,
    at              timestamptz NOT NULL,
    PRIMARY KEY (authority_id, survey_id)
);
CREATE UNIQUE INDEX surveys_once ON surveys (authority_id, about, coalesce(organisation, ''), coalesce(service, ''));
CREATE INDEX surveys_by_time ON surveys (authority_id, at);

SELECT protect('conversations'), protect('utterances'), protect('conversation_tokens'), protect('attachments'),
       protect('surveys');

-- A conversation belongs to the requests that it led to.
SELECT holds_personal_data(tab, col, becomes,
           'authority_id = $1 AND conversation_id IN (SELECT c.conversation_id FROM conversations AS c'
           ' JOIN requests AS q ON q.authority_id = c.authority_id AND c.talk -> ''references'' ? q.reference'
           ' WHERE c.authority_id = $1 AND q.request_id = ANY ($2))')
FROM (VALUES ('utterances'::regclass, 'body', '''{"text": "[erased]"}'''),
             ('utterances', 'sent_hash', 'NULL'),
             ('attachments', 'content', '''\x'''),
             ('attachments', 'name', '''[erased]'''),
             ('conversations', 'talk', 'jsonb_build_object(''stage'', ''closed'', ''references'', talk -> ''references'')'))
    AS held (tab, col, becomes);
SELECT holds_personal_data('surveys', 'words', 'NULL',
           'authority_id = $1 AND about IN (SELECT q.reference FROM requests AS q WHERE q.authority_id = $1'
           ' AND q.request_id = ANY ($2))');
