from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.messages import Role, Text
from app.storage import search
from app.storage.conversations import ConversationStore
from app.storage.opening import open_store
from tests.storage.samples import answer, message

TEXTS = {
    "Docker": ("How do I mount a volume?", "Use `docker run -v`, or a bind-mount in compose."),
    "Sprachen": ("Übersetze „Straße“ ins Französische", "« rue » ou « chaussée »"),
    "数据库": ("如何备份数据库？", "使用 SQLite 的在线备份接口。"),
    "C++": ("why does std::vector<int> 100%_grow", 'say "hello" 🎉 C++ it\'s O(1)'),
}


@pytest.fixture(params=["indexed", "scanned"])
def filled(
    request: pytest.FixtureRequest, database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ConversationStore]:
    if request.param == "scanned":
        monkeypatch.setattr(search, "_has_fts5", lambda connection: False)
    store, _ = open_store(database_path)
    for title, (asked, answered) in TEXTS.items():
        conversation_id = store.create_conversation(title).id
        question = message(conversation_id, asked)
        store.add_message(question)
        store.add_message(answer(conversation_id, question, answered))
    yield store
    store.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("docker", {"Docker"}),
        ("DOCK", {"Docker"}),
        ("dock comp", {"Docker"}),
        ("volume compose", {"Docker"}),  # in two messages
        ("docker 数据", set()),
        ("bind-mount", {"Docker"}),
        ("ubersetze", {"Sprachen"}),
        ("Über chaussee", {"Sprachen"}),
        ("备份", {"数据库"}),
        ("在线", {"数据库"}),
        ("数据", {"数据库"}),
        ("sqlite", {"数据库"}),
        ("C++", {"C++"}),
        ("std::vector<int>", {"C++"}),
        ('"hello"', {"C++"}),
        ("🎉", {"C++"}),
        ("100%", {"C++"}),
        ("%", {"C++"}),
        ("it's", {"C++"}),
        ("nowhere", set()),
        ("", set(TEXTS)),
        ("   \t\n ", set(TEXTS)),
        ("\x00", set(TEXTS)),
        ("\ud800", set(TEXTS)),
        ("docker\x00run", {"Docker"}),
        ("' OR 1=1 --", set()),
        ("'; DROP TABLE messages; --", set()),
        ("NEAR(docker run)", set()),
        ("title:docker", set()),
        ("docker AND run", set()),
        ("docker*", set()),
        ('"', {"C++"}),
        ('""""', set()),
        ("a" * 10_000, set()),
        ("docker " * 500, {"Docker"}),
    ],
)
def test_a_query_finds(filled: ConversationStore, query: str, expected: set[str]) -> None:
    assert {summary.title for summary in filled.list_conversations(query)} == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=30) | st.text("\"'*()^:-+{}[] aANDORNT\\%_", max_size=30))
@example("^docker NOT {a b}: ((")
def test_no_query_fails(filled: ConversationStore, query: str) -> None:
    assert len(filled.list_conversations(query)) <= len(TEXTS)


def test_a_final_answer_replaces_the_one_that_grew(filled: ConversationStore) -> None:
    conversation_id = filled.create_conversation("Growth").id
    growing = message(conversation_id, "first draft", role=Role.ASSISTANT)
    filled.add_message(growing)
    assert filled.list_conversations("draft")
    final = message(conversation_id, role=Role.ASSISTANT, id=growing.id, parts=(Text("final words"), Text("twice")))
    filled.finish(final)
    assert not filled.list_conversations("draft")
    assert filled.list_conversations("final twice")


def test_what_was_written_without_an_index_is_found_with_one(
    database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title, has_index in (("first", True), ("second", False), ("third", True)):
        with monkeypatch.context() as patch:
            if not has_index:
                patch.setattr(search, "_has_fts5", lambda connection: False)
            store, _ = open_store(database_path)
            with closing(store):
                store.add_message(message(store.create_conversation(title).id, f"needle in {title}"))
    store, _ = open_store(database_path)
    with closing(store):
        assert [each.title for each in store.list_conversations("needle")] == ["third", "second", "first"]
        assert [each.title for each in store.list_conversations("needle second")] == ["second"]


def test_a_damaged_index_costs_no_message_and_is_made_anew(database_path: Path) -> None:
    store, _ = open_store(database_path)
    with closing(store):
        conversation_id = store.create_conversation("x").id
        first = message(conversation_id, "before the damage")
        store.add_message(first)
    store, notice = open_store(database_path)
    with closing(store):
        assert notice is None
        with store._database.writing() as connection:
            connection.execute("UPDATE search_index_data SET block = x'ffffffffffffffff'")
        second = message(conversation_id, "after the damage", first)
        store.add_message(second)
        assert store.load(conversation_id).messages == (first, second)
        assert store.list_conversations("after")
    store, notice = open_store(database_path)
    with closing(store):
        assert notice is None
        assert store.list_conversations("before after")
        with store._database.reading() as connection:
            connection.execute("SELECT 1")
        connection.execute("INSERT INTO search_index (search_index) VALUES ('integrity-check')")


def test_the_index_is_used_where_it_can_be(filled: ConversationStore) -> None:
    condition, _ = filled._search.condition("docker")
    assert ("MATCH" in condition) == filled._search.is_usable
    condition, _ = filled._search.condition("数据 🎉")
    assert "MATCH" not in condition
