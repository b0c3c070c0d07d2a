"""What a person does with conversations apart from talking in them."""

from __future__ import annotations

import json

import pytest

from app.chat.protocol import ExportKind
from app.core.events import (
    BugFound,
    ConversationDeleted,
    ConversationExported,
    ConversationOpened,
    ConversationsListed,
    Refused,
    TurnFailed,
    TurnStarted,
)
from app.core.messages import MessageState
from tests.chat.stage import FAST, THINK, Stage


def titles(stage: Stage, query: str = "") -> list[str]:
    return [summary.title for summary in stage.settle(query).summaries]


def test_renaming_and_an_empty_name(stage: Stage) -> None:
    conversation = stage.ask("first").conversation_id
    stage.service.rename_conversation(conversation, "  Better name ")
    assert stage.settle().summaries[0].title == "Better name"
    stage.service.rename_conversation(conversation, "   ")
    assert stage.settle().summaries[0].title == "Better name"


def test_a_pinned_conversation_stays_on_top(stage: Stage) -> None:
    old = stage.ask("old").conversation_id
    stage.ask("new")
    assert titles(stage) == ["new", "old"]
    stage.service.pin_conversation(old, True)
    assert [(s.title, s.pinned) for s in stage.settle().summaries] == [("old", True), ("new", False)]
    stage.service.pin_conversation(old, False)
    assert [summary.title for summary in stage.settle().summaries] == ["new", "old"]


def test_search_finds_titles_and_texts_and_stays_while_the_list_changes(stage: Stage) -> None:
    apples = stage.ask("apples and pears").conversation_id
    stage.ask("bananas")
    assert titles(stage, "pears") == ["apples and pears"]
    assert titles(stage, "nothing like it") == []
    assert titles(stage, "said bananas") == ["bananas"], "answers are searched too"
    stage.service.list_conversations("pears")
    stage.service.rename_conversation(apples, "Fruit")
    listed = stage.recorder.wait_for(ConversationsListed, lambda e: [s.title for s in e.summaries] == ["Fruit"])
    assert listed.query == "pears"


def test_a_chat_that_a_search_does_not_find_is_listed_all_the_same(stage: Stage) -> None:
    stage.ask("apples")
    assert titles(stage, "apples") == ["apples"]
    stage.ask("bananas")
    whole = stage.recorder.wait_for(ConversationsListed, lambda e: "bananas" in [s.title for s in e.summaries])
    assert whole.query == ""
    assert titles(stage, "apples") == ["apples"]


def test_deleting_and_restoring(stage: Stage) -> None:
    answer = stage.ask("keep me")
    stage.service.delete_conversation(answer.conversation_id)
    deleted = stage.recorder.wait_for(ConversationDeleted)
    assert (deleted.conversation_id, deleted.title) == (answer.conversation_id, "keep me")
    assert titles(stage) == []
    stage.service.open_conversation(answer.conversation_id)
    stage.recorder.wait_for(Refused)
    stage.service.restore_conversation(answer.conversation_id)
    assert titles(stage) == ["keep me"]
    stage.service.open_conversation(answer.conversation_id)
    assert stage.recorder.wait_for(ConversationOpened).conversation.messages[-1] == answer


def test_deleting_while_its_answer_is_written_stops_the_answer(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("doomed")
    stage.service.delete_conversation(started.question.conversation_id)
    stage.recorder.wait_for(ConversationDeleted)
    assert stage.finished(started).answer.state is MessageState.STOPPED
    stage.release("answer")
    assert titles(stage) == []
    assert stage.ask("another").state is MessageState.COMPLETE
    stage.service.restore_conversation(started.question.conversation_id)
    stage.service.open_conversation(started.question.conversation_id)
    restored = stage.recorder.wait_for(ConversationOpened).conversation.messages
    assert [message.id for message in restored] == [started.question.id, started.turn_id]
    assert stage.recorder.of(TurnFailed, Refused, BugFound) == []


def test_deleting_another_conversation_leaves_the_answer_alone(stage: Stage) -> None:
    other = stage.ask("other").conversation_id
    stage.hold("answer")
    started = stage.begin("goes on")
    stage.service.delete_conversation(other)
    stage.recorder.wait_for(ConversationDeleted)
    stage.release("answer")
    assert stage.finished(started).answer.state is MessageState.COMPLETE


def test_exports_of_both_kinds(stage: Stage) -> None:
    answer = stage.ask("export me", effort=THINK)
    stage.service.regenerate(answer.id, FAST)
    stage.finished(stage.recorder.wait_for(TurnStarted, lambda event: event.turn_id != answer.id))
    markdown, as_json = stage.root / "chat.md", stage.root / "chat.json"
    stage.service.export_conversation(answer.conversation_id, markdown, ExportKind.MARKDOWN)
    assert stage.recorder.wait_for(ConversationExported).path == markdown
    assert "You said: export me" in markdown.read_text(encoding="utf-8")
    stage.service.export_conversation(answer.conversation_id, as_json, ExportKind.JSON)
    assert stage.recorder.wait_for(ConversationExported).path == as_json
    content = as_json.read_text(encoding="utf-8")
    assert answer.id in content, "the version that is not shown is exported too"
    json.loads(content)


def test_an_export_can_be_imported(stage: Stage) -> None:
    answer = stage.ask("take me along", effort=THINK)
    stage.service.regenerate(answer.id, FAST)
    stage.finished(stage.recorder.wait_for(TurnStarted, lambda event: event.turn_id != answer.id))
    path = stage.root / "chat.json"
    stage.service.export_conversation(answer.conversation_id, path, ExportKind.JSON)
    stage.recorder.wait_for(ConversationExported)
    n_before = len(stage.recorder.events)
    stage.service.import_conversation(path)
    opened = stage.recorder.wait_for(ConversationOpened, lambda event: event.is_imported)
    assert opened.conversation.summary.id != answer.conversation_id
    assert opened.conversation.summary.title == "take me along"
    (ids,) = opened.conversation.versions.values()
    assert (len(ids), ids[1]) == (2, opened.conversation.messages[-1].id)
    listed = [event for event in stage.recorder.events[n_before:] if isinstance(event, ConversationsListed)]
    assert [summary.title for summary in listed[0].summaries] == ["take me along", "take me along"]
    stage.service.show_version(ids[0])
    assert stage.recorder.wait_for(ConversationOpened).conversation.messages[-1].text == answer.text
    assert stage.ask("go on", opened.conversation.summary.id).state is MessageState.COMPLETE


def test_a_file_that_is_no_export_is_refused(stage: Stage) -> None:
    (stage.root / "x.json").write_text("{}")
    for path in (stage.root / "x.json", stage.root / "missing.json", stage.root):
        stage.service.import_conversation(path)
        assert str(path) in stage.recorder.wait_for(Refused).sentence
    assert titles(stage) == []
    assert stage.recorder.of(BugFound, ConversationOpened) == []


def test_an_export_during_a_turn_holds_what_has_arrived(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("unfinished")
    stage.service.export_conversation(started.question.conversation_id, stage.root / "early.md", ExportKind.MARKDOWN)
    stage.recorder.wait_for(ConversationExported)
    assert "unfinished" in (stage.root / "early.md").read_text(encoding="utf-8")
    stage.release("answer")
    stage.finished(started)


def test_an_export_that_can_not_be_written_is_refused(stage: Stage) -> None:
    conversation = stage.ask("export me").conversation_id
    (stage.root / "file").touch()
    for kind in ExportKind:
        stage.service.export_conversation(conversation, stage.root / "file" / "chat", kind)
        assert stage.recorder.wait_for(Refused).sentence
    assert stage.recorder.of(BugFound, ConversationExported) == []


@pytest.mark.parametrize("request_name", ["open", "rename", "pin", "delete", "restore", "export"])
def test_conversations_that_are_not_there_are_refused(stage: Stage, request_name: str) -> None:
    service = stage.service
    {
        "open": lambda: service.open_conversation("nothing"),
        "rename": lambda: service.rename_conversation("nothing", "title"),
        "pin": lambda: service.pin_conversation("nothing", True),
        "delete": lambda: service.delete_conversation("nothing"),
        "restore": lambda: service.restore_conversation("nothing"),
        "export": lambda: service.export_conversation("nothing", stage.root / "x.md", ExportKind.MARKDOWN),
    }[request_name]()
    assert "not there any more" in stage.recorder.wait_for(Refused).sentence
    assert stage.recorder.of(BugFound) == []
