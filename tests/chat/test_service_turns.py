"""A whole turn: what is on disk when, what is published in which order, what is kept of it."""

from __future__ import annotations

import json

import pytest

from app.core.events import (
    AnswerText,
    ContextMeasured,
    ConversationOpened,
    ConversationsListed,
    Event,
    PrefillProgressed,
    PromptRendered,
    ReasoningFinished,
    ReasoningText,
    Refused,
    SendRefused,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from app.core.messages import MessageState, StopReason, Text
from app.core.settings import Settings
from tests.chat.conftest import MakeStage
from tests.chat.stage import FAST, THINK, Stage, until


def test_the_question_is_on_disk_before_the_turn_is_published(stage: Stage) -> None:
    seen: list[tuple[str, str]] = []

    def look(event: Event) -> None:
        if isinstance(event, TurnStarted):
            seen.append((stage.text_on_disk(event.question.id), stage.state_on_disk(event.answer.id)))

    stage.recorder.on_event = look
    stage.ask("Is it saved?")
    assert seen == [("Is it saved?", "growing")]


def test_the_answer_grows_on_disk_while_it_is_written(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("one two three")
    until(lambda: stage.text_on_disk(started.turn_id) == "You said: ")
    assert stage.state_on_disk(started.turn_id) == "growing"
    stage.release("answer")
    assert stage.finished(started).answer.text == "You said: one two three "
    assert stage.text_on_disk(started.turn_id) == "You said: one two three "
    assert stage.rows("SELECT count(*) FROM growth") == [(0,)]


def test_the_events_of_a_turn_come_in_order_and_with_its_id(stage: Stage) -> None:
    answer = stage.ask("hello there")
    kinds = [
        TurnStarted,
        PromptRendered,
        PrefillProgressed,
        AnswerText,
        TurnFinished,
    ]
    events = [event for event in stage.recorder.events if isinstance(event, tuple(kinds))]
    assert {event.turn_id for event in events} == {answer.id}
    assert sorted(events, key=lambda event: kinds.index(type(event))) == events
    assert {type(event) for event in events} == set(kinds)
    text = "".join(event.text for event in stage.recorder.of(AnswerText))
    assert text == answer.text == "You said: hello there "


def test_the_finished_answer_is_the_one_on_disk(stage: Stage) -> None:
    started = stage.begin("What is kept?", effort=THINK)
    answer = stage.finished(started).answer
    stage.service.open_conversation(answer.conversation_id)
    conversation = stage.recorder.wait_for(ConversationOpened).conversation
    assert conversation.messages == (started.question, answer)
    assert started.question.parts == (Text("What is kept?"),)
    assert answer.state is MessageState.COMPLETE
    assert answer.reasoning == "Step 1. Step 2. Step 3. "
    assert answer.settings_rendered == '{"reasoning_effort": "high"}'
    assert answer.effort is THINK
    assert answer.model_name == "Tiny"
    assert answer.stats is not None
    assert answer.stats.stop_reason is StopReason.STOP
    assert (answer.stats.prompt_tokens, answer.stats.reasoning_tokens) == (4, 3)
    assert answer.stats.generated_tokens == 3 + 5
    (stats,) = stage.rows("SELECT stats FROM messages WHERE id = ?", answer.id)[0]
    assert json.loads(stats)["reasoning_tokens"] == 3


def test_thinking_is_published_apart_and_its_end_with_its_seconds(stage: Stage) -> None:
    stage.ask("think", effort=THINK)
    assert "".join(event.text for event in stage.recorder.of(ReasoningText)) == "Step 1. Step 2. Step 3. "
    (end,) = stage.recorder.of(ReasoningFinished)
    assert (end.seconds, end.tokens) == (0.003, 3)
    order = [type(event) for event in stage.recorder.of(ReasoningText, ReasoningFinished, AnswerText)]
    assert order == [ReasoningText] * 3 + [ReasoningFinished] + [AnswerText] * 3


def test_the_first_message_gives_the_title_and_the_list_is_published(stage: Stage) -> None:
    started = stage.begin("# Why is the sky blue?\nPlease explain.")
    title = "Why is the sky blue?"
    listed = stage.recorder.wait_for(ConversationsListed, lambda event: bool(event.summaries))
    assert [(one.id, one.title) for one in listed.summaries] == [(started.question.conversation_id, title)]
    stage.finished(started)
    stage.recorder.wait_for(ConversationsListed)
    stage.ask("Something else", started.question.conversation_id)
    assert [one.title for one in stage.settle().summaries] == [title]


def test_the_context_is_measured_after_a_turn(stage: Stage) -> None:
    answer = stage.ask("one two")
    event = stage.recorder.wait_for(ContextMeasured)
    assert answer.stats is not None
    used = answer.stats.prompt_tokens + answer.stats.generated_tokens
    assert (event.conversation_id, event.used_tokens) == (answer.conversation_id, used)
    assert event.context_tokens == 8192


def test_the_second_question_goes_with_the_first_and_its_answer(stage: Stage) -> None:
    first = stage.ask("one", effort=THINK)
    second = stage.ask("two", first.conversation_id)
    assert stage.prompt_of(second.id) == [("user", "one"), ("assistant", "You said: one "), ("user", "two")]
    assert second.stats is not None
    assert second.stats.cached_tokens == 2


def test_the_system_prompt_of_the_settings_goes_first(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(system_prompt="Be brief."))
    stage.load()
    before = stage.ask("hello")
    assert stage.prompt_of(before.id)[0] == ("system", "Be brief.")
    stage.service.change_settings(Settings(system_prompt=""))
    after = stage.ask("hello")
    assert stage.prompt_of(after.id) == [("user", "hello")]


def test_a_second_message_while_an_answer_is_written_is_refused(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("first")
    stage.service.send(started.question.conversation_id, "second", (), FAST)
    assert "still being written" in stage.recorder.wait_for(SendRefused).sentence
    stage.service.regenerate(started.turn_id, FAST)
    stage.recorder.wait_for(Refused)
    stage.service.edit(started.question.id, "other words", FAST)
    stage.recorder.wait_for(Refused)
    stage.release("answer")
    assert stage.finished(started).answer.text == "You said: first "
    assert stage.rows("SELECT count(*) FROM messages") == [(2,)]
    assert stage.ask("third", started.question.conversation_id).text == "You said: third "


def test_another_conversation_can_be_read_meanwhile(stage: Stage) -> None:
    other = stage.ask("other").conversation_id
    stage.hold("answer")
    started = stage.begin("long story")
    stage.recorder.wait_for(AnswerText, lambda event: event.turn_id == started.turn_id)
    stage.recorder.wait_for(AnswerText)
    stage.service.open_conversation(other)
    assert stage.recorder.wait_for(ConversationOpened).conversation.summary.id == other
    stage.service.open_conversation(started.question.conversation_id)
    back = stage.recorder.wait_for(ConversationOpened).conversation
    assert back.messages[-1].text == "You said: "
    assert back.messages[-1].state is MessageState.GROWING
    stage.release("answer")
    later = "".join(e.text for e in stage.recorder.of(AnswerText) if e.turn_id == started.turn_id)
    assert stage.finished(started).answer.text.startswith(later)


def test_a_conversation_that_is_not_there_is_refused(stage: Stage) -> None:
    stage.service.send("no such conversation", "hello", (), FAST)
    assert "not there any more" in stage.recorder.wait_for(SendRefused).sentence
    assert stage.recorder.of(TurnStarted) == []
    assert stage.rows("SELECT count(*) FROM messages") == [(0,)]


def test_an_answer_that_can_not_be_saved_is_told_and_the_next_one_works(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("lost")
    until(lambda: stage.text_on_disk(started.turn_id) == "You said: ")
    stage.change("DELETE FROM growth")
    stage.change("DELETE FROM messages WHERE id = ?", started.turn_id)
    stage.release("answer")
    failed = stage.failed(started)
    assert "not there any more" in failed.sentence
    assert failed.answer.text == "You said: lost "
    assert failed.answer.state is MessageState.FAILED
    assert stage.ask("still there?").state is MessageState.COMPLETE


def test_a_disk_that_fails_in_mid_answer_is_told_once(make_stage: MakeStage) -> None:
    stage = make_stage("talks_forever")
    stage.load()
    started = stage.begin("endless")
    until(lambda: stage.text_on_disk(started.turn_id))
    stage.change("DELETE FROM messages WHERE id = ?", started.turn_id)
    stage.recorder.wait_for(Refused)
    n_words = len(stage.recorder.of(AnswerText))
    until(lambda: len(stage.recorder.of(AnswerText)) > n_words + 60)  # several ticks later
    stage.service.stop()
    assert stage.failed(started).answer.text.startswith("You said: endless and and")
    assert len(stage.recorder.of(Refused)) == 1
    assert len(stage.recorder.of(TurnFailed)) == 1


def test_a_picture_that_can_not_be_found_fails_the_turn_only(stage: Stage) -> None:
    answer = stage.ask("look")
    number = "UPDATE parts SET kind = 'picture', sha256 = '../../etc/passwd' WHERE message_id <> ?"
    stage.change(number, answer.id)
    started = stage.begin("again", answer.conversation_id)
    assert "picture" in stage.failed(started).sentence
    assert stage.ask("fresh").state is MessageState.COMPLETE


@pytest.mark.parametrize("text", ["🙂" * 5000, "a\x00b \ud800 c", "<s>[INST]</s>"])
def test_texts_of_every_kind_arrive_and_are_kept(stage: Stage, text: str) -> None:
    started = stage.begin(text)
    stage.finished(started)
    stage.service.open_conversation(started.question.conversation_id)
    question = stage.recorder.wait_for(ConversationOpened).conversation.messages[0]
    assert question.text[0] == text[0]
    assert question.text[-1] == text[-1]
