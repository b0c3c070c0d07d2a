-- A conversations' file of layout version 1, as the first release wrote it. Never change it.
PRAGMA application_id = 1399811183;
PRAGMA user_version = 1;
CREATE TABLE conversations (
        id TEXT PRIMARY KEY NOT NULL, title TEXT, title_is_automatic INTEGER, created_at TEXT,
        updated_at TEXT, pinned INTEGER, deleted_at TEXT, leaf_id TEXT);
CREATE TABLE messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
        role TEXT, created_at TEXT, state TEXT, reasoning TEXT, effort TEXT, settings_rendered TEXT,
        model_name TEXT, stats TEXT, error TEXT);
CREATE INDEX messages_by_conversation ON messages (conversation_id);
CREATE INDEX messages_by_parent ON messages (parent_id);
CREATE TABLE parts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
        position INTEGER, kind TEXT, text TEXT,
        sha256 TEXT, name TEXT, media_type TEXT, width INTEGER, height INTEGER, tokens INTEGER);
CREATE INDEX parts_by_message ON parts (message_id);
CREATE TABLE growth (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE, text TEXT, reasoning TEXT);
CREATE INDEX growth_by_message ON growth (message_id);
INSERT INTO conversations VALUES
    ('c1', 'Un café', 1, '2025-03-01T10:00:00.000000+00:00', '2025-03-01T10:05:00.000000+00:00', 1, NULL, 'm2'),
    ('c2', 'Deleted', 0, '2025-03-02T10:00:00.000000+00:00', '2025-03-02T10:05:00.000000+00:00', 0,
     '2025-03-02T11:00:00.000000+00:00', 'm4');
INSERT INTO messages (id, conversation_id, parent_id, role, created_at, state, reasoning, effort, settings_rendered, model_name, stats, error) VALUES
    ('m1', 'c1', NULL, 'user', '2025-03-01T10:00:00.000000+00:00', 'complete', '', NULL, '', '', NULL, ''),
    ('m2', 'c1', 'm1', 'assistant', '2025-03-01T10:00:01.000000+00:00', 'growing', 'Let me look. ', 'high',
     '[MODEL_SETTINGS]{"reasoning_effort": "high"}[/MODEL_SETTINGS]', 'Mistral Small 4', NULL, ''),
    ('m3', 'c1', 'm1', 'assistant', '2025-03-01T10:04:00.000000+00:00', 'complete', '', 'none', '', 'Mistral Small 4',
     '{"stop_reason": "stop", "prompt_tokens": 20, "cached_tokens": 0, "image_tokens": 12, "generated_tokens": 5, "reasoning_tokens": 0, "prefill_ms": 10.5, "first_token_ms": 12.0, "reasoning_ms": 0.0, "tokens_per_second": 31.25}',
     ''),
    ('m4', 'c2', NULL, 'user', '2025-03-02T10:00:00.000000+00:00', 'complete', '', NULL, '', '', NULL, '');
INSERT INTO parts (message_id, position, kind, text, sha256, name, media_type, width, height, tokens) VALUES
    ('m1', 0, 'picture', NULL, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'tasse.jpg', 'image/jpeg', 640, 480, 12),
    ('m1', 1, 'text', 'What is this?', NULL, NULL, NULL, NULL, NULL, NULL),
    ('m3', 0, 'text', 'A cup.', NULL, NULL, NULL, NULL, NULL, NULL),
    ('m4', 0, 'text', 'Forget me', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO growth (message_id, text, reasoning) VALUES
    ('m2', '', 'It has a handle.'),
    ('m2', 'A c', ''),
    ('m2', 'up', '');
