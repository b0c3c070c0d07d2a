"""Regenerating and editing make branches; nothing that was written is lost."""

from __future__ import annotations

from collections.abc import Callable

from app.core.events import BugFound, ConversationOpened, Event, Refused, TurnStarted, VersionsChanged
from app.core.messages import Message, MessageState
from tests.chat.stage import FAST, THINK, Stage


def tree(stage: Stage) -> dict[str, str | None]:
    return dict(stage.rows("SELECT id, parent_id FROM messages ORDER BY number"))


def shown(stage: Stage, conversation_id: str) -> list[str]:
    stage.service.open_conversation(conversation_id)
    conversation = stage.recorder.wait_for(ConversationOpened).conversation
    return [message.text for message in conversation.messages]


def turn_after(stage: Stage) -> tuple[ConversationOpened, TurnStarted, Message]:
    opened = stage.recorder.wait_for(ConversationOpened)
    started = stage.recorder.wait_for(TurnStarted)
    return opened, started, stage.finished(started).answer


def test_regenerating_adds_an_answer_beside_the_first(stage: Stage) -> None:
    started = stage.begin("question")
    first = stage.finished(started).answer
    stage.service.regenerate(first.id, THINK)
    opened, again, second = turn_after(stage)
    assert opened.conversation.messages == (), "the question comes with the turn"
    assert again.question == started.question
    assert (second.parent_id, second.effort, second.state) == (started.question.id, THINK, MessageState.COMPLETE)
    question = started.question.id
    assert tree(stage) == {question: None, first.id: question, second.id: question}
    assert stage.prompt_of(second.id) == [("user", "question")]
    stage.service.open_conversation(first.conversation_id)
    conversation = stage.recorder.wait_for(ConversationOpened).conversation
    assert [message.id for message in conversation.messages] == [question, second.id]


def test_regenerating_an_earlier_answer_leaves_the_later_ones_in_the_tree(stage: Stage) -> None:
    first = stage.ask("one")
    later = stage.ask("two", first.conversation_id)
    stage.service.regenerate(first.id, FAST)
    _, _, second = turn_after(stage)
    assert shown(stage, first.conversation_id) == ["one", "You said: one "]
    assert len(tree(stage)) == 5
    assert tree(stage)[second.id] == tree(stage)[first.id]
    assert later.id in tree(stage)
    third = stage.ask("three", first.conversation_id)
    assert stage.prompt_of(third.id) == [("user", "one"), ("assistant", "You said: one "), ("user", "three")]


def test_editing_asks_in_other_words_in_a_new_branch(stage: Stage) -> None:
    first = stage.ask("one")
    started = stage.begin("two", first.conversation_id)
    second = stage.finished(started).answer
    stage.service.edit(started.question.id, "zwei", THINK)
    opened, edited, answer = turn_after(stage)
    assert [message.text for message in opened.conversation.messages] == ["one", "You said: one "]
    assert edited.question.text == "zwei"
    assert edited.question.parent_id == started.question.parent_id == first.id
    assert stage.prompt_of(answer.id) == [("user", "one"), ("assistant", "You said: one "), ("user", "zwei")]
    assert shown(stage, first.conversation_id) == ["one", "You said: one ", "zwei", "You said: zwei "]
    assert {started.question.id, second.id} < set(tree(stage))


def test_editing_the_first_question_makes_a_second_root(stage: Stage) -> None:
    started = stage.begin("one")
    stage.finished(started)
    stage.service.edit(started.question.id, "uno", FAST)
    _, edited, answer = turn_after(stage)
    assert edited.question.parent_id is None
    assert stage.prompt_of(answer.id) == [("user", "uno")]
    assert shown(stage, answer.conversation_id) == ["uno", "You said: uno "]
    assert len(tree(stage)) == 4


def test_the_branch_is_on_disk_before_it_is_published(stage: Stage) -> None:
    started = stage.begin("one")
    stage.finished(started)
    seen: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, TurnStarted):
            seen.append(stage.text_on_disk(event.question.id))

    stage.recorder.on_event = look
    stage.service.edit(started.question.id, "uno", FAST)
    turn_after(stage)
    assert seen == ["uno"]


def test_a_failed_answer_can_be_asked_for_again(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("question")
    stage.service.stop()
    stopped = stage.finished(started).answer
    stage.release("answer")
    stage.service.regenerate(stopped.id, FAST)
    _, _, answer = turn_after(stage)
    assert answer.text == "You said: question "


def test_messages_that_are_not_there_are_refused(stage: Stage) -> None:
    started = stage.begin("one")
    answer = stage.finished(started).answer
    stage.service.regenerate("nothing", FAST)
    assert "not there any more" in stage.recorder.wait_for(Refused).sentence
    stage.service.edit("nothing", "text", FAST)
    assert "not there any more" in stage.recorder.wait_for(Refused).sentence
    stage.service.regenerate(started.question.id, FAST)
    assert "no question" in stage.recorder.wait_for(Refused).sentence
    assert shown(stage, answer.conversation_id) == ["one", "You said: one "]
    assert stage.recorder.of(BugFound) == []


def test_a_branch_that_can_not_be_written_hides_nothing(stage: Stage, expected_warnings: Callable[[str], None]) -> None:
    expected_warnings("a job of the worker failed")
    first = stage.ask("one")
    second = stage.ask("two", first.conversation_id)
    assert first.parent_id is not None
    stage.change("CREATE TRIGGER no_more BEFORE INSERT ON messages BEGIN SELECT RAISE(FAIL, 'no room'); END")
    stage.service.edit(first.parent_id, "other words", FAST)
    stage.recorder.wait_for(BugFound)
    stage.service.open_conversation(first.conversation_id)
    stage.settle()
    assert stage.recorder.of(ConversationOpened)[-1].conversation.messages[-1].id == second.id


def test_every_version_can_be_shown_again(stage: Stage) -> None:
    started = stage.begin("one")
    first = stage.finished(started).answer
    stage.ask("two", first.conversation_id)
    stage.service.regenerate(first.id, FAST)
    _, _, second = turn_after(stage)
    stage.service.show_version(first.id)
    conversation = stage.recorder.wait_for(ConversationOpened).conversation
    assert [message.text for message in conversation.messages] == ["one", "You said: one ", "two", "You said: two "]
    assert conversation.messages[1] == first
    assert conversation.versions == {first.id: (first.id, second.id)}
    assert shown(stage, first.conversation_id) == ["one", "You said: one ", "two", "You said: two "], "remembered"
    stage.service.show_version(second.id)
    conversation = stage.recorder.wait_for(ConversationOpened).conversation
    assert conversation.messages == (started.question, second)
    assert conversation.versions == {second.id: (first.id, second.id)}


def test_a_turn_tells_which_versions_there_are(stage: Stage) -> None:
    started = stage.begin("one")
    first = stage.finished(started).answer
    assert stage.recorder.wait_for(VersionsChanged) == VersionsChanged(first.conversation_id, {})
    stage.service.regenerate(first.id, FAST)
    opened, again, second = turn_after(stage)
    assert opened.conversation.versions == {}, "there is no message yet"
    changed = stage.recorder.wait_for(VersionsChanged)
    assert changed == VersionsChanged(first.conversation_id, {second.id: (first.id, second.id)})
    assert stage.recorder.events.index(again) < stage.recorder.events.index(changed)
    stage.service.edit(started.question.id, "uno", FAST)
    _, edited, _ = turn_after(stage)
    questions = (started.question.id, edited.question.id)
    assert stage.recorder.wait_for(VersionsChanged).versions == {edited.question.id: questions}


def test_no_other_version_is_shown_while_an_answer_is_written_there(stage: Stage) -> None:
    first = stage.ask("one")
    elsewhere = stage.ask("elsewhere")
    stage.service.regenerate(elsewhere.id, FAST)
    turn_after(stage)
    stage.hold("answer")
    stage.service.regenerate(first.id, FAST)
    stage.recorder.wait_for(ConversationOpened)
    started = stage.recorder.wait_for(TurnStarted)
    stage.service.show_version(first.id)
    assert "still being written" in stage.recorder.wait_for(Refused).sentence
    stage.service.show_version(elsewhere.id)
    assert stage.recorder.wait_for(ConversationOpened).conversation.messages[-1] == elsewhere
    stage.release("answer")
    second = stage.finished(started).answer
    stage.service.show_version("nothing")
    assert "not there any more" in stage.recorder.wait_for(Refused).sentence
    assert shown(stage, first.conversation_id) == ["one", second.text]
