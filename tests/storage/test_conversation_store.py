from __future__ import annotations

import sqlite3
import threading
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from app.core.errors import ConversationMissing
from app.core.messages import (
    Conversation,
    ConversationSummary,
    MessageState,
    Picture,
    ReasoningEffort,
    Role,
    StopReason,
    Text,
    TurnStats,
)
from app.storage.conversations import ConversationStore
from app.storage.opening import open_store
from tests.storage.samples import NOON, Clock, answer, message

FULL_ANSWER = {
    "parts": (
        Text("See:"),
        Picture("ab" * 32, "Föto.png", "image/png", 640, 480, 391),
        Text("done"),
    ),
    "state": MessageState.STOPPED,
    "reasoning": "Let me think",
    "effort": ReasoningEffort.HIGH,
    "settings_rendered": "[MODEL_SETTINGS]{}[/MODEL_SETTINGS]",
    "model_name": "Mistral Small 4",
    "stats": TurnStats(StopReason.CANCELLED, prompt_tokens=12, reasoning_ms=1234.5),
    "error": "nothing",
}


def test_a_conversation_comes_back_as_it_was_saved(store: ConversationStore, database_path: Path) -> None:
    summary = store.create_conversation("Trip to Kyoto")
    question = message(summary.id, "Where to?")
    reply = answer(summary.id, question, **FULL_ANSWER)
    store.add_message(question)
    store.add_message(reply)
    store.close()
    again, notice = open_store(database_path)
    with closing(again):
        assert notice is None
        loaded = again.load(summary.id)
        assert loaded.messages == (question, reply)
        assert loaded.summary.title == "Trip to Kyoto"
        assert loaded.summary.created_at == summary.created_at
        assert loaded.summary.updated_at > summary.updated_at


def test_a_saved_message_is_visible_to_another_process_at_once(store: ConversationStore, database_path: Path) -> None:
    summary = store.create_conversation("x")
    store.add_message(message(summary.id, "on disk"))
    with closing(sqlite3.connect(database_path)) as other:
        assert other.execute("SELECT text FROM parts").fetchall() == [("on disk",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_commits_are_synced_and_the_file_is_private(store: ConversationStore, database_path: Path) -> None:
    with store._database.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    assert database_path.stat().st_mode & 0o077 == 0


def test_the_list_has_pinned_ones_first_then_the_newest(database_path: Path) -> None:
    store, _ = open_store(database_path, now=Clock())
    with closing(store):
        ids = [store.create_conversation(title).id for title in "abcd"]
        store.pin(ids[1], pinned=True)
        store.add_message(message(ids[0]))
        assert [summary.title for summary in store.list_conversations()] == ["b", "a", "d", "c"]
        store.pin(ids[1], pinned=False)
        assert [summary.title for summary in store.list_conversations()] == ["a", "d", "c", "b"]


def test_a_conversation_can_be_renamed(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("first words").id
    store.rename(conversation_id, "Mine")
    assert store.load(conversation_id).summary.title == "Mine"


def test_a_deleted_conversation_can_be_restored(store: ConversationStore) -> None:
    kept = store.create_conversation("kept").id
    summary = store.create_conversation("gone")
    store.add_message(message(summary.id, "needle"))
    assert store.delete(summary.id).title == "gone"
    assert [each.id for each in store.list_conversations()] == [kept]
    assert store.list_conversations("needle") == ()
    with pytest.raises(ConversationMissing):
        store.load(summary.id)
    store.restore(summary.id)
    assert store.load(summary.id).messages[0].text == "needle"
    assert [each.id for each in store.list_conversations("needle")] == [summary.id]


def test_what_was_deleted_long_ago_is_forgotten_at_the_next_start(database_path: Path) -> None:
    clock = Clock()
    store, _ = open_store(database_path, now=clock)
    long_chain = "long"
    chain = [message(long_chain)]
    for _ in range(1200):  # deeper than SQLite lets triggers nest
        chain.append(message(long_chain, "m", chain[-1]))
    store.insert(Conversation(ConversationSummary(long_chain, "long", NOON, NOON), tuple(chain)))
    recent = store.create_conversation("recent").id
    store.delete(long_chain)
    clock.pass_days(20)
    store.delete(recent)
    store.close()
    clock.pass_days(11)
    again, _ = open_store(database_path, now=clock)
    with closing(again):
        with pytest.raises(ConversationMissing):
            again.restore(long_chain)
        again.restore(recent)
        with again._database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM messages").fetchone()[0] == 0
            assert connection.execute("SELECT count(*) FROM parts").fetchone()[0] == 0


def test_what_is_not_there_is_said_to_be_missing(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("x").id
    nowhere = message("nowhere")
    orphan = message(conversation_id, parent=nowhere)
    with pytest.raises(ConversationMissing, match="conversation is not there"):
        store.add_message(nowhere)
    with pytest.raises(ConversationMissing, match="message is not there"):
        store.add_message(orphan)
    with pytest.raises(ConversationMissing):
        store.grow(nowhere.id, "x")
    with pytest.raises(ConversationMissing):
        store.finish(nowhere)
    with pytest.raises(ConversationMissing):
        store.show_version(nowhere.id)
    for act in (store.load, store.delete, store.restore, store.load_versions, store.message, store.siblings):
        with pytest.raises(ConversationMissing):
            act("nowhere")
    with pytest.raises(ConversationMissing):
        store.rename("nowhere", "x")
    assert store.load(conversation_id).messages == ()


def test_lone_surrogates_are_replaced_and_pairs_joined(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("\ud83d\ude00 \udc00").id
    store.add_message(message(conversation_id, "a\udcffb", reasoning="\ud83d\ude00"))
    loaded = store.load(conversation_id)
    assert loaded.summary.title == "😀 �"
    assert (loaded.messages[0].text, loaded.messages[0].reasoning) == ("a�b", "😀")


def test_one_unusable_row_hides_nothing(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("x").id
    question = message(conversation_id, "q")
    reply = answer(conversation_id, question, **FULL_ANSWER)
    store.add_message(question)
    store.add_message(reply)
    with store._database.writing() as connection:
        for column in ("title", "title_is_automatic", "created_at", "updated_at", "pinned", "leaf_id"):
            connection.execute(f"UPDATE conversations SET {column} = NULL")
        connection.execute(
            "UPDATE messages SET role = 'oracle', state = NULL, created_at = 'soon', reasoning = NULL, "
            "effort = 'extreme', model_name = NULL, stats = '{\"prompt_tokens\": \"many\"', error = NULL "
            "WHERE id = ?",
            (reply.id,),
        )
        connection.execute("UPDATE parts SET sha256 = NULL WHERE kind = 'picture'")
        connection.execute("UPDATE parts SET kind = NULL, text = CAST(x'ff41' AS TEXT) WHERE text = 'done'")
    assert [each.id for each in store.list_conversations()] == [conversation_id]
    loaded = store.load(conversation_id)
    assert loaded.messages[0] == question
    seen = loaded.messages[1]
    assert (seen.role, seen.state, seen.effort) == (
        Role.ASSISTANT,
        MessageState.COMPLETE,
        ReasoningEffort.NONE,
    )
    assert seen.parts == (Text("See:"), Text("�A"))
    assert (seen.reasoning, seen.stats, seen.error) == ("", None, "")


def test_a_whole_conversation_can_be_inserted(store: ConversationStore) -> None:
    summary = ConversationSummary(str(uuid.uuid4()), "Imported", NOON, NOON, pinned=True)
    question = message(summary.id, "findme")
    reply = answer(summary.id, question, "shown")
    version = answer(summary.id, question, "hidden")
    conversation = Conversation(summary, (question, reply), {reply.id: (version.id, reply.id)})
    store.insert(conversation, (version,))
    assert store.load(summary.id) == conversation, "the version that is shown stays the newest"
    assert store.load_versions(summary.id) == (version,)
    assert store.list_conversations("hidden") == (summary,)


def test_threads_may_read_while_another_writes(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("x").id
    growing = message(conversation_id, "", role=Role.ASSISTANT, state=MessageState.GROWING)
    store.add_message(growing)
    finished = threading.Event()
    lengths: list[int] = []

    def read() -> None:
        while not finished.is_set():
            lengths.append(len(store.load(conversation_id).messages[0].text))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        store.grow(growing.id, "ab")
    finished.set()
    reader.join()
    assert lengths == sorted(lengths)
    assert all(length % 2 == 0 for length in lengths)
    assert len(store.load(conversation_id).messages[0].text) == 100
