from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ConversationMissing
from app.core.messages import (
    Conversation,
    Message,
    MessageState,
    Role,
    Text,
)
from app.storage.conversations import ConversationStore
from app.storage.opening import open_store
from app.storage.tree import oldest_first
from tests.storage.samples import answer, message, trees


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_tree_comes_back_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    store, _ = open_store(tmp_path_factory.mktemp("tree") / "c.sqlite3")
    with closing(store):
        conversation_id = store.create_conversation("t").id
        messages = data.draw(trees(conversation_id))
        for each in messages:
            store.add_message(each)
        by_id = {each.id: each for each in messages}
        leaf = data.draw(st.sampled_from(messages))
        assert store.load_until(conversation_id, leaf.id).messages == tuple(_expected_branch(by_id, leaf))
        store.show_version(leaf.id)
        branch = store.load(conversation_id).messages
        assert leaf in branch
        versions = store.load_versions(conversation_id)
        assert set(branch) | set(versions) == set(messages)
        assert len(branch) + len(versions) == len(messages)
        for each in messages:
            assert store.message(each.id) == each
            expected = [other for other in messages if other.parent_id == each.parent_id]
            assert list(store.siblings(each.id)) == expected
        shown = store.load(conversation_id)
        siblings = {each.id: tuple(other.id for other in store.siblings(each.id)) for each in branch}
        assert shown.versions == {key: ids for key, ids in siblings.items() if len(ids) > 1}
        _check_order(oldest_first(shown, versions), shown)


def _check_order(ordered: tuple[Message, ...], shown: Conversation) -> None:
    places = {message.id: place for place, message in enumerate(ordered)}
    assert len(places) == len(ordered)
    assert all(places[each.parent_id] < places[each.id] for each in ordered if each.parent_id is not None)
    for ids in shown.versions.values():
        assert sorted(ids, key=places.__getitem__) == list(ids)


def _expected_branch(by_id: dict[str, Message], leaf: Message) -> list[Message]:
    branch = [leaf]
    while branch[0].parent_id is not None:
        branch.insert(0, by_id[branch[0].parent_id])
    return branch


def test_growing_appends_text_and_reasoning(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("x").id
    question = message(conversation_id)
    store.add_message(question)
    growing = answer(conversation_id, question, state=MessageState.GROWING)
    store.add_message(growing)
    store.grow(growing.id, "", "Hmm, ")
    store.grow(growing.id, "", "yes.")
    store.grow(growing.id, "Yes")
    store.grow(growing.id, "!\x00👍")
    seen = store.load(conversation_id).messages[-1]
    assert (seen.text, seen.reasoning, seen.state) == ("Yes!\x00👍", "Hmm, yes.", MessageState.GROWING)
    final = replace(growing, parts=(Text("Yes!"),), reasoning="Hmm", state=MessageState.COMPLETE)
    store.finish(final)
    assert store.load(conversation_id).messages[-1] == final


def test_growing_writes_what_is_appended_not_the_whole_text(store: ConversationStore, database_path: Path) -> None:
    conversation_id = store.create_conversation("x").id
    growing = message(conversation_id, "", role=Role.ASSISTANT, state=MessageState.GROWING)
    store.add_message(growing)
    store.grow(growing.id, "x" * 2_000_000)
    log = database_path.with_name(database_path.name + "-wal")
    with store._database._lock:
        store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _ in range(10):
        store.grow(growing.id, "more")
    assert log.stat().st_size < 500_000


def test_versions_are_shown_with_what_followed_them(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("x").id
    question = message(conversation_id, "q")
    first = answer(conversation_id, question, "first")
    follow_up = message(conversation_id, "and?", first)
    second = answer(conversation_id, question, "second")
    for each in (question, first, follow_up, second):
        store.add_message(each)
    assert store.load(conversation_id).messages == (question, second)
    assert store.siblings(first.id) == (first, second)
    store.show_version(first.id)
    assert store.load(conversation_id).messages == (question, first, follow_up)
    assert store.load_until(conversation_id, question.id).messages == (question,)
    assert store.load_until(conversation_id, None).messages == ()


def test_a_message_can_not_follow_one_of_another_conversation(store: ConversationStore) -> None:
    first, second = store.create_conversation("1").id, store.create_conversation("2").id
    foreign = message(first)
    store.add_message(foreign)
    with pytest.raises(ConversationMissing):
        store.add_message(message(second, parent=foreign))


def test_a_tree_that_contradicts_itself_still_opens(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("x").id
    first = message(conversation_id, "1")
    second = message(conversation_id, "2", first)
    third = message(conversation_id, "3", second)
    for each in (first, second, third):
        store.add_message(each)
    with store._database.writing() as connection:
        connection.execute("UPDATE messages SET parent_id = ? WHERE id = ?", (third.id, first.id))
    assert [each.text for each in store.load(conversation_id).messages] == ["1", "2", "3"]
    store.show_version(first.id)
    with store._database.writing() as connection:
        connection.execute("UPDATE conversations SET leaf_id = 'lost'")
    assert store.load(conversation_id).messages[-1].text == "3"
